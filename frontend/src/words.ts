/** Numbers as people read them. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes in powers of 1000, as the command line says them. */
export function bytes(count: number): string {
  let power = 0;
  while (count >= 999.5 && power < UNITS.length - 1) {
    count /= 1000;
    power += 1;
  }
  return `${power && count < 9.95 ? count.toFixed(1) : Math.round(count)} ${UNITS[power]}`;
}

export function seconds(count: number): string {
  if (count < 60) return `${Math.max(1, Math.round(count))} s`;
  if (count < 3600) return `${Math.round(count / 60)} min`;
  return `${Math.floor(count / 3600)} h ${Math.round((count % 3600) / 60)} min`;
}

/** A number in three significant digits, without an exponent where it can be helped. */
export function digits(value: number): string {
  if (Number.isNaN(value)) return "unknown";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return value.toExponential(2);
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

export function metres(value: number): string {
  if (!Number.isFinite(value)) return digits(value);
  if (Math.abs(value) < 1) return `${digits(value * 100)} cm`;
  return `${digits(value)} m`;
}

/** Read a number that a person typed, with a comma or a point; NaN where it is none. */
export function parsed(text: string): number {
  const plain = text.trim().toLowerCase().replace(",", ".");
  if (plain === "inf" || plain === "∞") return Infinity;
  return plain === "" ? NaN : Number(plain);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
