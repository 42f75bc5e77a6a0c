import Table from 'cli-table3';
import type { LabStatus, ProcessStatus } from '../control-protocol.ts';
import type { Terminal } from './terminal.ts';

/** Prints nodes, pods and services as tables without frames. `engines`: of ztunnels, by node, as far as they are known. */
export function printStatus(out: Terminal, status: LabStatus, engines: ReadonlyMap<string, string>): void {
  const yes = (text: string): string => out.paint('green', text);
  const no = (text: string): string => out.paint('red', text);
  printTable(
    out,
    ['NODE', 'ADDRESS', 'ZTUNNEL', 'ENGINE', 'PID', 'RESTARTS'],
    status.nodes.map(({ name, address, ready, ztunnel }) => [
      name,
      address,
      ready ? yes('ready') : no(ztunnel.running ? 'not ready' : `ended: ${ztunnel.lastExit ?? 'never ran'}`),
      engines.get(name) ?? '-',
      String(ztunnel.pid ?? '-'),
      renderRestarts(ztunnel),
    ]),
  );
  if (status.nodes.length > 0) out.line();
  printTable(
    out,
    ['POD', 'NODE', 'ADDRESS', 'PID', 'ACCOUNT', 'MESH'],
    status.pods.map(({ name, node, address, process, serviceAccount, enrolled }) => [
      name,
      node,
      address,
      process.running ? String(process.pid) : no(process.lastExit ?? '-'),
      serviceAccount,
      enrolled ? yes('enrolled') : out.paint('dim', 'no'),
    ]),
  );
  if (status.services.length > 0) out.line();
  printTable(
    out,
    ['SERVICE', 'ADDRESS', 'PORTS', 'PODS'],
    status.services.map(({ hostname, vip, ports, endpoints }) => [
      hostname.replace('.svc.cluster.local', ''),
      vip,
      Object.entries(ports)
        .map(([port, target]) => `${port}->${target}`)
        .join(' '),
      endpoints.join(' '),
    ]),
  );
}

/** Of all kinds: an operator who sees 0 believes that it is the process of the beginning. */
function renderRestarts({ starts, restarts }: ProcessStatus): string {
  const all = String(Math.max(0, starts - 1));
  return restarts === 0 ? all : `${all} (${restarts} after it died)`;
}

/** Prints rows in columns as wide as they need, with a heading. Nothing for no rows. */
export function printTable(out: Terminal, head: readonly string[], rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return;
  const none = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '' };
  const table = new Table({
    chars: {
      ...none,
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  table.push(
    head.map((text) => out.paint('dim', text)),
    ...rows.map((row) => [...row]),
  );
  for (const line of table.toString().split('\n')) out.line(`  ${line.trimEnd()}`);
}
