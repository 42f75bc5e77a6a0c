/** Lines come in bursts: the text up to the second is kept from one line to the next. */
let lastSecond = Number.NaN;
let lastPrefix = '';

/** `2026-08-20T10:00:00.123456Z` of `epochMs`, milliseconds since 1970 with a fraction. */
export function renderLogTime(epochMs: number): string {
  const micros = Math.floor(epochMs * 1000);
  const second = Math.floor(micros / 1_000_000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastPrefix = new Date(second * 1000).toISOString().slice(0, 20);
  }
  return `${lastPrefix}${String(micros - second * 1_000_000).padStart(6, '0')}Z`;
}

/** Milliseconds by which the two clocks may differ before the fine one is set anew (the wall clock was changed). */
const maxSkewMs = 5;
let origin = performance.timeOrigin;

/** The wall clock with a fraction of a millisecond: milliseconds since 1970. */
export function wallClockMs(): number {
  const coarse = Date.now();
  const fine = origin + performance.now();
  if (Math.abs(fine - coarse) <= maxSkewMs) return fine;
  origin = coarse - performance.now();
  return coarse;
}
