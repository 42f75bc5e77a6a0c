import type { PolicyRouting } from './core/owned-rules.ts';
import type { Family } from './core/rule.ts';
import { IptablesError } from './errors.ts';
import { missing } from './missing-tool.ts';
import type { ToolResult } from './run-tool.ts';
import type { ToolPlace } from './tool-place.ts';

/** Which parts of the policy routing of one family exist. */
export interface RoutingState {
  readonly rule: boolean;
  readonly route: boolean;
}

/** Losing a race against another writer of the same thing is success. */
const SETTLED: readonly (readonly [string, RegExp])[] = [
  ['rule add', /File exists/],
  ['rule del', /No such file/],
  ['route del', /No such process/],
];
/** `RTN_LOCAL` of linux/rtnetlink.h, as `ip -N` prints it. */
const LOCAL_ROUTE_TYPES: readonly unknown[] = ['2', 'local'];

/** Reads what exists of `routing`. Throws `IPTABLES_ROUTING_FAILED`, `IPTABLES_PERMISSION`. */
export async function readRouting(place: ToolPlace, family: Family, routing: PolicyRouting): Promise<RoutingState> {
  const what = ['rule show', `route show table ${routing.table}`];
  const { status, stdout, stderr } = await runBatch(place, [flag(family), '-N', '-j'], what);
  // What an IPv4 table without any route is called.
  if (status !== 0 && !stderr.includes('FIB table does not exist'))
    throw routingError(place, family, unsettled(stderr, what));
  // Each answer is one list; of an empty one old versions print nothing.
  const [rules = [], routes = []] = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => parseList(place, line));
  return {
    rule: rules.some((rule) => isOurRule(rule, routing)),
    route: routes.some(({ type, dst, dev }) => LOCAL_ROUTE_TYPES.includes(type) && dst === 'default' && dev === 'lo'),
  };
}

/**
 * Turns `current` into `wanted`: adding the route before the rule that uses it, removing in the other order. Throws
 * `IPTABLES_ROUTING_FAILED`, `IPTABLES_PERMISSION`.
 */
export async function changeRouting(
  place: ToolPlace,
  family: Family,
  routing: PolicyRouting,
  change: { readonly current: RoutingState; readonly wanted: RoutingState },
): Promise<void> {
  const commands = routingCommands(family, routing, change);
  if (commands.length === 0) return;
  // A rule without its route would lead nowhere; but where the rule is gone already, the route still has to go.
  const goOn = commands.some((command) => command.includes(' del ')) ? ['-force'] : [];
  const { status, stderr } = await runBatch(place, [flag(family), ...goOn], commands);
  if (status === 0) return;
  const failed = unsettled(stderr, commands);
  if (failed.length > 0 || stderr === '') throw routingError(place, family, failed);
  // The kernel takes a rule that says more, such as from where, for the same: then ours is still not there.
  const added = commands.find((command) => command.startsWith('rule add'));
  if (added !== undefined && !(await readRouting(place, family, routing)).rule)
    throw routingError(place, family, [`${added}: a rule like it is in the way, which has to go first`]);
}

function routingCommands(
  family: Family,
  routing: PolicyRouting,
  { current, wanted }: { readonly current: RoutingState; readonly wanted: RoutingState },
): readonly string[] {
  const mark = `0x${routing.mark.value.toString(16)}/0x${routing.mark.mask.toString(16)}`;
  const rule = `fwmark ${mark} pref ${routing.priority} lookup ${routing.table}`;
  // IPv6 routes have no scope.
  const everything = family === 'ipv4' ? '0.0.0.0/0 dev lo scope host' : '::/0 dev lo';
  const route = `local ${everything} table ${routing.table}`;
  return [
    ...(wanted.route && !current.route ? [`route replace ${route}`] : []),
    ...(wanted.rule && !current.rule ? [`rule add ${rule}`] : []),
    ...(!wanted.rule && current.rule ? [`rule del ${rule}`] : []),
    ...(!wanted.route && current.route ? [`route del ${route}`] : []),
  ];
}

function flag(family: Family): string {
  return family === 'ipv4' ? '-4' : '-6';
}

/** Whatever else a rule says limits it to some packets: such a rule is not ours. */
const RULE_KEYS: ReadonlySet<string> = new Set(['priority', 'src', 'fwmark', 'fwmask', 'table', 'protocol']);

function isOurRule(rule: Readonly<Record<string, unknown>>, routing: PolicyRouting): boolean {
  return (
    rule['priority'] === routing.priority &&
    Number(rule['fwmark']) === routing.mark.value &&
    Number(rule['fwmask']) === routing.mark.mask &&
    Number(rule['table']) === routing.table &&
    rule['src'] === 'all' &&
    Object.keys(rule).every((key) => RULE_KEYS.has(key))
  );
}

/** One process for all commands. With `-force` in `flags`, a command that fails does not stop the others. */
async function runBatch(place: ToolPlace, flags: readonly string[], commands: readonly string[]): Promise<ToolResult> {
  const { ip } = place.tools;
  if (ip === undefined) throw missing('ip', 'iproute2');
  return place.run([ip, ...flags, '-batch', '-'], commands.map((command) => `${command}\n`).join(''));
}

function parseList(place: ToolPlace, line: string): readonly Readonly<Record<string, unknown>>[] {
  try {
    const entries: unknown = JSON.parse(line);
    return Array.isArray(entries) ? entries.filter(isRecord) : [];
  } catch (cause) {
    throw new IptablesError(
      'IPTABLES_ROUTING_FAILED',
      `ip -j in ${place.namespace.label} printed no JSON (is ip from iproute2 4.19 or newer?)`,
      { cause },
    );
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** The commands of a batch that failed, with what was said about each, except where the outcome is as wanted. */
function unsettled(stderr: string, commands: readonly string[]): readonly string[] {
  const said: string[] = [];
  const found: string[] = [];
  for (const line of stderr.split('\n').filter(Boolean)) {
    const number = /^Command failed .*:(\d+)$/.exec(line)?.[1];
    if (number === undefined) {
      said.push(line);
      continue;
    }
    const command = commands[Number(number) - 1] ?? '';
    const reason = said.splice(0).join('; ');
    if (!SETTLED.some(([start, meaning]) => command.startsWith(start) && meaning.test(reason)))
      found.push(`${command}: ${reason}`);
  }
  return said.length > 0 ? [...found, said.join('; ')] : found;
}

function routingError(place: ToolPlace, family: Family, failed: readonly string[]): IptablesError {
  const text = `ip ${flag(family)} ${failed.join('; ')} (in ${place.namespace.label})`;
  if (/not permitted|denied/i.test(text))
    return new IptablesError('IPTABLES_PERMISSION', `${text} (needs CAP_NET_ADMIN there)`);
  const hint = text.includes('Network is down') ? ' (is lo up?)' : '';
  return new IptablesError('IPTABLES_ROUTING_FAILED', `${text}${hint}`);
}
