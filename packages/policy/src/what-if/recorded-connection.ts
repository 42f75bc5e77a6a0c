import { parseIpAddress, unmapIpAddress } from '../matching/ip-address.ts';
import { MAX_PORT } from '../matching/port.ts';
import { parsePrincipal } from '../matching/principal.ts';
import { renderIpAddress } from '../matching/render-ip-address.ts';
import type { Connection, SourceIdentity } from '../policy.ts';
import type { Fault, LogFields } from './log-fields.ts';

/** The workload that a connection went to, as far as the log tells. */
export interface RecordedWorkload {
  readonly namespace: string;
  /** Name of the pod, or else of the workload. */
  readonly name: string;
}

/** What became of a connection. */
export type RecordedVerdict =
  | { readonly outcome: 'allowed' }
  | {
      readonly outcome: 'denied';
      /** The proxy's words: `explicitly denied by: ns/name`, `allow policies exist, but none allowed`, … */
      readonly reason: string;
      /** `namespace/name` of the DENY policy, if the reason names one. */
      readonly policy: string | undefined;
      /** It was allowed at first, and cut when policies changed. */
      readonly late: boolean;
    }
  /** There is no line of its end: it was open when the log ended. */
  | { readonly outcome: 'unknown' };

/** One inbound connection of an access log. */
export interface RecordedConnection {
  /** Of the log, from 1. */
  readonly line: number;
  /** Of its end (of its beginning if it is open), as printed: `2026-08-20T10:00:00.123456Z`. */
  readonly time: string;
  readonly workload: RecordedWorkload;
  readonly connection: Connection;
  /**
   * The line does not tell the port that policies see, only the one that was asked for (it is in `connection`): the
   * tunnel was asked for a host name, so for a port of a service, or for an address that is not the pod's. Where the
   * proxy hands connections to a tunnel of the application (`applicationTunnel`), the pod's own address is no proof either.
   */
  readonly portUncertain: boolean;
  /** What the tunnel was asked for: `10.0.0.1:80`, `echo.default.svc.cluster.local:80`; undefined for plain text. */
  readonly tunnelTarget: string | undefined;
  readonly recorded: RecordedVerdict;
}

/** Reads the fields of an inbound line; `line` and `time` are for the result. */
export function readRecordedConnection(
  fields: LogFields,
  { line, time, opened }: { readonly line: number; readonly time: string; readonly opened: boolean },
): RecordedConnection | Fault {
  const namespace = fields.get('dst.namespace');
  const name = fields.get('dst.workload');
  if (namespace === undefined || name === undefined) return { fault: 'no dst.namespace or dst.workload' };
  const source = readAddress(fields, 'src.addr');
  if ('fault' in source) return source;
  const destination = readAddress(fields, 'dst.addr');
  if ('fault' in destination) return destination;
  const identity = readIdentity(fields.get('src.identity'));
  if (identity !== undefined && 'fault' in identity) return identity;
  const tunnelTarget = fields.get('dst.hbone_addr');
  const target = tunnelTarget === undefined ? destination : readTarget(tunnelTarget);
  if (target === undefined) return { fault: `dst.hbone_addr ${JSON.stringify(tunnelTarget)}: want HOST:PORT` };
  return {
    line,
    time,
    workload: { namespace, name },
    connection: { identity, sourceIp: source.ip, destinationIp: destination.ip, destinationPort: target.port },
    portUncertain: target.ip === undefined || !isSameIp(target.ip, destination.ip),
    tunnelTarget,
    recorded: opened ? { outcome: 'unknown' } : readVerdict(fields.get('error')),
  };
}

const REJECTION = 'connection closed due to policy rejection: ';
const CHANGE = 'connection closed due to policy change';
const EXPLICIT = 'explicitly denied by: ';

interface Endpoint {
  /** Canonical as in `Connection` where v4-mapped addresses are concerned; undefined for a host name. */
  readonly ip: string | undefined;
  readonly port: number;
}

function readAddress(fields: LogFields, key: string): { readonly ip: string; readonly port: number } | Fault {
  const text = fields.get(key);
  const target = text === undefined ? undefined : readTarget(text);
  if (target?.ip === undefined) return { fault: `${key} ${JSON.stringify(text ?? '')}: want IP:PORT` };
  return { ip: target.ip, port: target.port };
}

/** `ip:port`, `[ipv6]:port` or `hostname:port`. */
function readTarget(text: string): Endpoint | undefined {
  const [, v6, host, digits] = /^(?:\[([^\]]*)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > MAX_PORT) return undefined;
  const ip = canonicalIp(v6 ?? host ?? '');
  return v6 !== undefined && ip === undefined ? undefined : { ip, port };
}

/** IPv6 may be written in many ways, and what the tunnel was asked for is printed as the client wrote it. */
function isSameIp(one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [parseIpAddress(one), parseIpAddress(other)];
  return a !== undefined && a.family === b?.family && a.words.every((word, index) => word === b.words[index]);
}

/** Zones (`fe80::1%2`) are left as they are, for evaluation knows them. */
function canonicalIp(text: string): string | undefined {
  const zone = text.indexOf('%');
  const ip = parseIpAddress(zone < 0 ? text : text.slice(0, zone));
  if (ip === undefined) return undefined;
  const unmapped = unmapIpAddress(ip);
  return unmapped.family === ip.family ? text : renderIpAddress(unmapped);
}

function readIdentity(text: string | undefined): SourceIdentity | undefined | Fault {
  if (text === undefined) return undefined;
  const identity = text.startsWith('spiffe://') ? parsePrincipal(text) : undefined;
  return (
    identity ?? { fault: `src.identity ${JSON.stringify(text)}: want spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT` }
  );
}

/** Whatever else goes wrong does so after the policies were asked: the proxy does not dial before. */
function readVerdict(error: string | undefined): RecordedVerdict {
  const late = error?.startsWith(CHANGE) === true;
  if (error === undefined || !(late || error.startsWith(REJECTION))) return { outcome: 'allowed' };
  const reason = late ? error : error.slice(REJECTION.length);
  const policy = reason.startsWith(EXPLICIT) ? reason.slice(EXPLICIT.length) : undefined;
  return { outcome: 'denied', reason, policy, late };
}
