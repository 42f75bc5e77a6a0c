import { createNodeEngine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import type { LogFormat } from '../log/line.ts';
import { createLogBacklog } from '../log/log-backlog.ts';
import { service, workload } from '../state/fixtures.ts';
import { AccessLog } from './access-log.ts';
import { type ConnectionFacts, ConnectionRecord, logEarlyFailure } from './connection-record.ts';
import { Counters } from './counters.ts';
import { peerOf } from './peer.ts';
import { ThreadLog } from './thread-log.ts';

const shell = workload({ name: 'shell-6d8b' });
const echo = workload({ name: 'echo-7c', workloadName: 'echo', canonicalName: 'echo', canonicalRevision: 'v1' });
const outbound: ConnectionFacts = {
  direction: 'outbound',
  client: { ip: '10.244.0.24', port: 46_238 },
  destination: { ip: '10.244.0.42', port: 15_008 },
  hboneAddress: '10.244.0.42:80',
  source: peerOf(shell),
  target: peerOf(echo),
  service: service({ name: 'echo' }),
  sourceIdentity: 'spiffe://cluster.local/ns/default/sa/default',
  targetIdentity: 'spiffe://cluster.local/ns/default/sa/echo',
  targetPrincipal: 'spiffe://cluster.local/ns/default/sa/echo',
  mutualTls: true,
  originalDestination: '10.96.0.1:80',
};
const unknown: ConnectionFacts = {
  ...outbound,
  direction: 'inbound',
  client: { ip: 'fd00::9', port: 1 },
  destination: { ip: 'fd00::1', port: 80 },
  hboneAddress: undefined,
  source: undefined,
  target: undefined,
  service: undefined,
  sourceIdentity: '',
  targetIdentity: '',
  targetPrincipal: '',
  mutualTls: false,
};

function recording(format: LogFormat = 'plain', debug = false) {
  let text = '';
  const log = new ThreadLog({
    engine: createNodeEngine(),
    backlog: createLogBacklog(),
    format,
    write: (more) => (text += more),
  });
  const counters = new Counters();
  const clock = { now: 0 };
  const accessLog = new AccessLog(log, { info: true, debug });
  const context = { counters, accessLog, now: () => clock.now, open: new Set<ConnectionRecord>() };
  const lines = (): string[] => {
    log.flush();
    return text
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .split('\n')
      .slice(0, -1);
  };
  return { context, clock, counters, lines };
}

const FIELDS =
  'src.addr=10.244.0.24:46238 src.workload="shell-6d8b" src.namespace="default" src.identity="spiffe://cluster.local/ns/default/sa/default" src.cluster="Kubernetes" dst.addr=10.244.0.42:15008 dst.hbone_addr=10.244.0.42:80 dst.service="echo.default.svc.cluster.local" dst.workload="echo-7c" dst.namespace="default" dst.identity="spiffe://cluster.local/ns/default/sa/echo" dst.cluster="Kubernetes"';

test('§11: success in plain form, with the line of the opening at DEBUG', () => {
  const { context, clock, lines } = recording('plain', true);
  const record = new ConnectionRecord(outbound, context);
  record.fromClient(67);
  record.fromServer(490);
  clock.now = 13.9;
  record.finish();
  record.finish({ message: 'too late', flag: 'CONNECT' });
  expect(lines()).toEqual([
    `TIME\tdebug\taccess\tconnection opened\t${FIELDS} direction="outbound"`,
    `TIME\tinfo\taccess\tconnection complete\t${FIELDS} direction="outbound" bytes_sent=67 bytes_recv=490 duration="13ms"`,
  ]);
});

test('§11: the same in JSON, inbound: the mirror image', () => {
  const { context, lines } = recording('json');
  const record = new ConnectionRecord({ ...outbound, direction: 'inbound' }, context);
  record.fromClient(67);
  record.fromServer(490);
  record.finish();
  expect(lines()).toEqual([
    '{"level":"info","time":"TIME","scope":"access","message":"connection complete","src.addr":"10.244.0.24:46238","src.workload":"shell-6d8b","src.namespace":"default","src.identity":"spiffe://cluster.local/ns/default/sa/default","src.cluster":"Kubernetes","dst.addr":"10.244.0.42:15008","dst.hbone_addr":"10.244.0.42:80","dst.service":"echo.default.svc.cluster.local","dst.workload":"echo-7c","dst.namespace":"default","dst.identity":"spiffe://cluster.local/ns/default/sa/echo","dst.cluster":"Kubernetes","direction":"inbound","bytes_sent":490,"bytes_recv":67,"duration":"0ms"}',
  ]);
});

test('§11: a failure; what is unknown is left out', () => {
  const { context, lines } = recording();
  new ConnectionRecord(unknown, context).finish({ message: 'connection failed: "no"', flag: 'CONNECT' });
  expect(lines()).toEqual([
    String.raw`TIME	error	access	connection complete	src.addr=[fd00::9]:1 dst.addr=[fd00::1]:80 direction="inbound" bytes_sent=0 bytes_recv=0 duration="0ms" error="connection failed: \"no\""`,
  ]);
});

test('§11: an early failure', () => {
  const { context, counters, lines } = recording();
  logEarlyFailure(context.accessLog, outbound, 'no healthy upstream: 10.96.1.1:80');
  expect(lines()).toEqual([
    'TIME\twarn\taccess\tconnection failed\tsrc.addr=10.244.0.24:46238 dst.addr=10.244.0.42:15008 direction="outbound" error="no healthy upstream: 10.96.1.1:80"',
  ]);
  expect(counters.drain()).toEqual([]);
});

const LABELS = [
  'reporter=source',
  ...['workload=unknown', 'canonical_service=unknown', 'canonical_revision=unknown', 'workload_namespace=default'].map(
    (label) => `source_${label}`,
  ),
  'source_principal=spiffe://cluster.local/ns/default/sa/default',
  ...['app=unknown', 'version=unknown', 'cluster=Kubernetes'].map((label) => `source_${label}`),
  'destination_service=echo.default.svc.cluster.local',
  'destination_service_namespace=default',
  'destination_service_name=echo',
  ...['workload=echo', 'canonical_service=echo', 'canonical_revision=v1', 'workload_namespace=default'].map(
    (label) => `destination_${label}`,
  ),
  'destination_principal=spiffe://cluster.local/ns/default/sa/echo',
  ...['app=echo', 'version=v1', 'cluster=Kubernetes'].map((label) => `destination_${label}`),
  'request_protocol=tcp',
  'response_flags=-',
  'connection_security_policy=mutual_tls',
  ...['source_region', 'source_zone', 'destination_region', 'destination_zone'].map((label) => `${label}=unknown`),
];

test('§10: labels in order; a failure is opened without flag and closed with it', () => {
  const { context, counters } = recording();
  const record = new ConnectionRecord(outbound, context);
  record.fromClient(11);
  const [running] = counters.drain();
  expect(running?.labels.map((label) => label.join('='))).toEqual(LABELS);
  expect(running).toMatchObject({ opened: 1, closed: 0, failed: 0, receivedBytes: 11, sentBytes: 0 });
  record.fromServer(22);
  record.finish({ message: 'no', flag: 'DENY' });
  const [flags, counts] = [(label: readonly string[]) => label[0] === 'response_flags', counters.drain()];
  expect(counts.map((delta) => [delta.labels.find(flags)?.[1], delta.closed, delta.failed, delta.sentBytes])).toEqual([
    ['-', 0, 0, 22],
    ['DENY', 1, 1, 0],
  ]);
  expect(counters.drain()).toEqual([]);
});

test('§10: no locality without any workload', () => {
  const { context, counters } = recording();
  new ConnectionRecord(unknown, context).finish();
  const names = counters.drain()[0]?.labels.map(([name]) => name);
  expect(names?.at(-1)).toBe('connection_security_policy');
});

test('the dump shows open connections only', () => {
  const { context } = recording();
  const record = new ConnectionRecord({ ...outbound, direction: 'inbound', originalDestination: 'echo' }, context);
  expect([...context.open].map((one) => one.describe())).toEqual([
    { src: '10.244.0.24:46238', originalDst: 'echo', actualDst: '10.244.0.42:80', protocol: 'HBONE' },
  ]);
  record.finish();
  expect(context.open.size).toBe(0);
});
