/** NumPy's format of arrays: float32 in two dimensions, little-endian, as the server writes it. */

export interface Grid {
  values: Float32Array;
  width: number;
  height: number;
}

const MAGIC = "\x93NUMPY";

export function readNpy(buffer: ArrayBuffer): Grid {
  const view = new DataView(buffer);
  const magic = Array.from({ length: 6 }, (_, at) => String.fromCharCode(view.getUint8(at))).join("");
  if (magic !== MAGIC) throw new Error("The server's answer is no NPY file");
  const long = view.getUint8(6) > 1;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder("latin1").decode(new Uint8Array(buffer, start, length));
  const shape = /'shape':\s*\((\d+),\s*(\d+)\)/.exec(header);
  if (!shape || !/'descr':\s*'<f4'/.test(header) || /'fortran_order':\s*True/.test(header))
    throw new Error(`The server's answer is no map of float32: ${header.trim()}`);
  const height = Number(shape[1]);
  const width = Number(shape[2]);
  return { values: new Float32Array(buffer, start + length, width * height), width, height };
}
