import type { PolicyRouting } from './core/owned-rules.ts';
import type { Family } from './core/rule.ts';
import { IptablesError } from './errors.ts';
import type { ToolPlace } from './tool-place.ts';

/** Which parts of the policy routing of one family exist. */
export interface RoutingState {
  readonly rule: boolean;
  readonly route: boolean;
}

const ABSENT: RoutingState = { rule: false, route: false };
/** `RTN_LOCAL` of linux/rtnetlink.h, as `ip -N` prints it. */
const LOCAL_ROUTE_TYPES: readonly unknown[] = ['2', 'local'];

/** Reads what exists of `routing`. Throws `IPTABLES_ROUTING_FAILED`, `IPTABLES_PERMISSION`. */
export async function readRouting(place: ToolPlace, family: Family, routing: PolicyRouting): Promise<RoutingState> {
  const [rules, routes] = await Promise.all([
    listJson(place, [flag(family), '-N', '-j', 'rule', 'show']),
    listJson(place, [flag(family), '-N', '-j', 'route', 'show', 'table', `${routing.table}`]),
  ]);
  return {
    rule: rules.some((rule) => isOurRule(rule, routing)),
    route: routes.some(({ type, dst, dev }) => LOCAL_ROUTE_TYPES.includes(type) && dst === 'default' && dev === 'lo'),
  };
}

/** Turns `current` into `wanted`: adding the route before the rule that uses it, removing in the other order. */
export async function changeRouting(
  place: ToolPlace,
  family: Family,
  routing: PolicyRouting,
  change: { readonly current: RoutingState; readonly wanted: RoutingState },
): Promise<void> {
  const { current, wanted } = change;
  const mark = `0x${routing.mark.value.toString(16)}/0x${routing.mark.mask.toString(16)}`;
  const rule = ['fwmark', mark, 'pref', `${routing.priority}`, 'lookup', `${routing.table}`];
  const everything = family === 'ipv4' ? '0.0.0.0/0' : '::/0';
  // IPv6 routes have no scope.
  const route = ['local', everything, 'dev', 'lo', ...(family === 'ipv4' ? ['scope', 'host'] : [])];
  const table = ['table', `${routing.table}`];
  if (wanted.route && !current.route) await runIp(place, [flag(family), 'route', 'replace', ...route, ...table]);
  if (wanted.rule && !current.rule) await runIp(place, [flag(family), 'rule', 'add', ...rule], /File exists/);
  if (!wanted.rule && current.rule) await runIp(place, [flag(family), 'rule', 'del', ...rule], /No such file/);
  if (!wanted.route && current.route)
    await runIp(place, [flag(family), 'route', 'del', ...route, ...table], /No such process/);
}

/** Removes what exists of `routing`. Throws `IPTABLES_ROUTING_FAILED`, `IPTABLES_PERMISSION`. */
export async function removeRouting(place: ToolPlace, family: Family, routing: PolicyRouting): Promise<void> {
  const current = await readRouting(place, family, routing);
  await changeRouting(place, family, routing, { current, wanted: ABSENT });
}

function flag(family: Family): string {
  return family === 'ipv4' ? '-4' : '-6';
}

function isOurRule(rule: Readonly<Record<string, unknown>>, routing: PolicyRouting): boolean {
  return (
    rule['priority'] === routing.priority &&
    Number(rule['fwmark']) === routing.mark.value &&
    Number(rule['fwmask']) === routing.mark.mask &&
    Number(rule['table']) === routing.table &&
    rule['src'] === 'all'
  );
}

async function listJson(place: ToolPlace, args: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { status, stdout, stderr } = await place.run([place.tools.ip, ...args]);
  // What an IPv4 table without any route is called.
  if (status !== 0 && stderr.includes('FIB table does not exist')) return [];
  if (status !== 0) throw routingError(place, args, stderr);
  if (stdout.trim() === '') return [];
  try {
    const entries: unknown = JSON.parse(stdout);
    return Array.isArray(entries) ? entries.filter(isRecord) : [];
  } catch (cause) {
    throw new IptablesError(
      'IPTABLES_ROUTING_FAILED',
      `ip ${args.join(' ')} in ${place.namespace.label} printed no JSON (is ip from iproute2 4.19 or newer?)`,
      { cause },
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Losing a race against another writer of the same thing (`settled`) is success. */
async function runIp(place: ToolPlace, args: readonly string[], settled?: RegExp): Promise<void> {
  const { status, stderr } = await place.run([place.tools.ip, ...args]);
  if (status !== 0 && settled?.test(stderr) !== true) throw routingError(place, args, stderr);
}

function routingError(place: ToolPlace, args: readonly string[], stderr: string): IptablesError {
  const text = `ip ${args.join(' ')} in ${place.namespace.label}: ${stderr.trim()}`;
  if (/not permitted|denied/i.test(stderr))
    return new IptablesError('IPTABLES_PERMISSION', `${text} (needs CAP_NET_ADMIN there)`);
  const hint = stderr.includes('Network is down') ? ' (is lo up?)' : '';
  return new IptablesError('IPTABLES_ROUTING_FAILED', `${text}${hint}`);
}
