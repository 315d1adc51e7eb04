import { defineConfig } from "vite";

// What is built is committed under src/depthmap/web/static/ and compared with a new build by a test: nothing in it may
// depend on the machine or the time.
export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../src/depthmap/web/static",
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0, // a data: URL in a style would need a wider policy
    modulePreload: { polyfill: false },
    target: "es2022",
    chunkSizeWarningLimit: 900,
  },
});
