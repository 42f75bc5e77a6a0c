import { type CodecOptions, type Role, resolveCodecOptions } from '../core/limits.ts';
import { HboneError } from '../errors.ts';
import type { TunnelOptions } from '../tunnel/link.ts';

/** The longest timer: 24 days. */
const LONGEST_MS = 0x7fff_ffff;
const LAST_PORT = 65_535;

/** Limits and liveness of connections; what is left out or undefined has its default. */
export interface GivenTunnelOptions extends Omit<TunnelOptions, 'codec'> {
  readonly codec?: { readonly [Name in keyof CodecOptions]?: CodecOptions[Name] | undefined } | undefined;
}

/** Milliseconds of a time-out; `Infinity` is the longest there is, 24 days. Throws HBONE_OPTIONS_INVALID. */
export function requireTimeoutMs(name: string, ms: number): number {
  if (ms === Number.POSITIVE_INFINITY) return LONGEST_MS;
  if (!(typeof ms === 'number' && ms > 0 && ms <= LONGEST_MS))
    throw invalid(name, ms, `milliseconds above 0, at most ${LONGEST_MS}, or Infinity`);
  return ms;
}

/** A limit of at least 1; `Infinity` is none. Throws HBONE_OPTIONS_INVALID. */
export function requireLimit(name: string, limit: number): number {
  if (limit === Number.POSITIVE_INFINITY || (Number.isSafeInteger(limit) && limit > 0)) return limit;
  throw invalid(name, limit, 'a whole number above 0, or Infinity');
}

/** A port from `least` on. Throws HBONE_OPTIONS_INVALID. */
export function requirePort(name: string, port: number, least: 0 | 1): number {
  if (Number.isInteger(port) && port >= least && port <= LAST_PORT) return port;
  throw invalid(name, port, `a port, ${least} to ${LAST_PORT}`);
}

/** The codec's options, checked; a connection made later must not be the first to find them wrong. Throws HBONE_OPTIONS_INVALID. */
export function requireCodecOptions(role: Role, given: GivenTunnelOptions['codec']): CodecOptions {
  try {
    return resolveCodecOptions(role, withoutUndefined(given ?? {}));
  } catch (cause) {
    if (!(cause instanceof RangeError || cause instanceof TypeError)) throw cause;
    throw new HboneError('HBONE_OPTIONS_INVALID', `tunnel.codec.${cause.message}`, { cause });
  }
}

/** The options of connections without what is undefined, checked. Throws HBONE_OPTIONS_INVALID. */
export function requireTunnelOptions(role: Role, given: GivenTunnelOptions | undefined): TunnelOptions {
  const { codec, liveness, settingsTimeoutMs } = given ?? {};
  return {
    codec: requireCodecOptions(role, codec),
    ...(liveness !== undefined && {
      liveness: {
        pingIntervalMs: requireTimeoutMs('tunnel.liveness.pingIntervalMs', liveness.pingIntervalMs),
        pingTimeoutMs: requireTimeoutMs('tunnel.liveness.pingTimeoutMs', liveness.pingTimeoutMs),
      },
    }),
    ...(settingsTimeoutMs !== undefined && {
      settingsTimeoutMs: requireTimeoutMs('tunnel.settingsTimeoutMs', settingsTimeoutMs),
    }),
  };
}

function withoutUndefined(given: NonNullable<GivenTunnelOptions['codec']>): Partial<CodecOptions> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function invalid(name: string, value: unknown, wanted: string): HboneError {
  return new HboneError('HBONE_OPTIONS_INVALID', `${name}: ${String(value)} is not ${wanted}`);
}
