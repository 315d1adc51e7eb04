"""The shaders of ``raster.py``."""

SCENE = """
#version 330
uniform mat4 model, camera, mapping;
uniform bool boxed;
in vec3 position;
in vec2 uv;
out vec3 local, world, texel;
void main() {
    vec4 placed = model * vec4(position, 1);
    world = placed.xyz;
    local = position;
    texel = (mapping * vec4(boxed ? position : vec3(uv, 0), 1)).xyz;
    gl_Position = camera * placed;
}
"""

_TEXEL = """
uniform sampler2D image;
uniform bool boxed;
in vec3 local, world, texel;
vec4 looked_up() {
    vec3 n = abs(cross(dFdx(local), dFdy(local)));
    vec2 flat_ = texel.xy;
    if (boxed) {
        if (n.x > n.y && n.x > n.z) flat_ = texel.yz;
        else if (n.y > n.z) flat_ = texel.xz;
    }
    return texture(image, flat_);
}
"""

_SKY = """
uniform sampler2D sky;
vec2 on_sky(vec3 d) {
    return vec2(atan(d.y, d.x) / 6.2831853 + 0.5, asin(clamp(d.z / length(d), -1.0, 1.0)) / 3.1415927 + 0.5);
}
"""

SHADED = f"""
#version 330
{_TEXEL}
{_SKY}
uniform sampler2DShadow shadow;
uniform mat4 light;
uniform vec3 ambient[9];
uniform vec3 tint, sun, towards, eye, ahead;
uniform float shine, roughness;
layout(location = 0) out vec4 colour;
layout(location = 1) out float depth;

float lit(vec3 n) {{
    vec3 p = (light * vec4(world + 0.15 * n, 1)).xyz;
    return all(lessThan(abs(p), vec3(0.98))) ? texture(shadow, p * 0.5 + 0.5 - vec3(0, 0, 0.0004)) : 1.0;
}}

vec3 skylight(vec3 n) {{
    return max(vec3(0), ambient[0]
        + n.y * ambient[1] + n.z * ambient[2] + n.x * ambient[3]
        + n.x * n.y * ambient[4] + n.y * n.z * ambient[5] + n.x * n.z * ambient[6]
        + (3.0 * n.z * n.z - 1.0) * ambient[7] + (n.x * n.x - n.y * n.y) * ambient[8]);
}}

void main() {{
    vec3 n = cross(dFdx(world), dFdy(world));
    vec4 seen = looked_up();
    if (seen.a < 0.5) discard;
    vec3 away = world - eye;
    n = normalize(dot(n, away) > 0.0 ? -n : n);
    vec3 albedo = pow(seen.rgb, vec3(2.2)) * tint;
    float sunny = max(dot(n, towards), 0.0);
    vec3 received = skylight(n) + sun * sunny * (sunny > 0.0 ? lit(n) : 0.0);
    colour = vec4(albedo * (received + shine), 1);
    if (roughness < 0.5) {{
        float grazing = pow(1.0 - abs(dot(n, normalize(away))), 5.0);
        float mirror = (0.04 + 0.96 * grazing) * (1.0 - 2.0 * roughness);
        colour.rgb = mix(colour.rgb, textureLod(sky, on_sky(reflect(away, n)), 8.0 * roughness).rgb, mirror);
    }}
    depth = dot(away, ahead);
}}
"""

DEPTH_ONLY = f"""
#version 330
{_TEXEL}
void main() {{ if (looked_up().a < 0.5) discard; }}
"""

SCREEN = """
#version 330
uniform mat3 rays;
out vec3 ray;
void main() {
    vec2 corner = vec2(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1);
    ray = rays * vec3(corner, -1);
    gl_Position = vec4(corner, 0, 1);
}
"""

SKY = f"""
#version 330
{_SKY}
in vec3 ray;
layout(location = 0) out vec4 colour;
layout(location = 1) out float depth;
void main() {{
    colour = vec4(textureLod(sky, on_sky(ray), 0.0).rgb, 1);
    depth = 1e10;  // as Cycles gives it
}}
"""
