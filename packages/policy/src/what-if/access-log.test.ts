import { describe, expect, test } from 'vitest';
import { parseAccessLog } from './access-log.ts';

const TIME = '2026-08-20T10:00:00.123456Z';
const SLEEP = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sa-a' };
const TO_PB =
  'dst.workload="pb" dst.namespace="default" dst.identity="spiffe://cluster.local/ns/default/sa/sa-b" dst.cluster="Kubernetes" direction="inbound"';
const FROM_PA =
  'src.addr=10.211.1.10:40000 src.workload="pa" src.namespace="default" src.identity="spiffe://cluster.local/ns/default/sa/sa-a" src.cluster="Kubernetes"';
const ENDED = 'bytes_sent=0 bytes_recv=0 duration="0ms"';

/** Lines as the reference printed them (scenarios of vectors/ztunnel), times and ports filled in. */
function plain(fields: string, message = 'connection complete', level = 'info'): string {
  return `${TIME}\t${level}\taccess\t${message}\t${fields}\n`;
}

function printJson(fields: readonly (readonly [string, string])[]): string {
  return `${JSON.stringify({ level: 'info', time: TIME, scope: 'access', message: 'connection complete', ...Object.fromEntries(fields) })}\n`;
}

function readOne(text: string) {
  const log = parseAccessLog(text);
  expect(log.unreadable).toEqual({ count: 0, first: [] });
  const [connection, ...more] = log.connections;
  expect(more).toEqual([]);
  return connection;
}

describe('an inbound line', () => {
  test('by HBONE: the port is that of the tunnel, the address the one it came to', () => {
    expect(
      readOne(plain(`${FROM_PA} dst.addr=10.211.2.10:15008 dst.hbone_addr=10.211.2.10:9001 ${TO_PB} ${ENDED}`)),
    ).toEqual({
      line: 1,
      time: TIME,
      workload: { namespace: 'default', name: 'pb' },
      connection: { identity: SLEEP, sourceIp: '10.211.1.10', destinationIp: '10.211.2.10', destinationPort: 9001 },
      portUncertain: false,
      tunnelTarget: '10.211.2.10:9001',
      recorded: { outcome: 'allowed' },
    });
  });

  test('in plain text: no identity, the port is the one it came to', () => {
    const line = `src.addr=10.211.1.13:40000 dst.addr=10.211.2.10:9001 dst.workload="pb" dst.namespace="default" dst.cluster="Kubernetes" direction="inbound" bytes_sent=22 bytes_recv=11 duration="3ms"`;
    expect(readOne(plain(line))).toMatchObject({
      connection: { identity: undefined, destinationPort: 9001 },
      portUncertain: false,
      tunnelTarget: undefined,
    });
  });

  test('in JSON', () => {
    const line =
      '{"level":"error","time":"2026-08-20T10:00:00.123456Z","scope":"access","message":"connection complete","src.addr":"10.211.1.10:40000","src.workload":"pa","src.namespace":"default","src.identity":"spiffe://cluster.local/ns/default/sa/sa-a","src.cluster":"Kubernetes","dst.addr":"10.211.2.11:15008","dst.hbone_addr":"10.211.2.11:9000","dst.workload":"pd","dst.namespace":"default","dst.identity":"spiffe://cluster.local/ns/default/sa/sa-d","dst.cluster":"Kubernetes","direction":"inbound","bytes_sent":0,"bytes_recv":0,"duration":"0ms","error":"connection closed due to policy rejection: explicitly denied by: default/deny-d"}\n';
    expect(readOne(line)).toMatchObject({
      time: TIME,
      workload: { namespace: 'default', name: 'pd' },
      connection: { identity: SLEEP, destinationIp: '10.211.2.11', destinationPort: 9000 },
      recorded: {
        outcome: 'denied',
        reason: 'explicitly denied by: default/deny-d',
        policy: 'default/deny-d',
        late: false,
      },
    });
  });

  test.each([
    [
      'of IPv6 in another form',
      '[fd00:211:2::10]:15008',
      '[FD00:211:2:0::0.0.0.16]:9001',
      'fd00:211:2::10',
      9001,
      false,
    ],
    ['for another address of IPv6', '[fd00:211:2::10]:15008', '[fd00:211:2::11]:9001', 'fd00:211:2::10', 9001, true],
    ['of IPv6', '[fd00:211:2::10]:15008', '[fd00:211:2::10]:9001', 'fd00:211:2::10', 9001, false],
    ['of a v4-mapped address', '[::ffff:10.211.2.10]:15008', '10.211.2.10:80', '10.211.2.10', 80, false],
    [
      'for a host name: the port is a service port',
      '10.211.2.10:15008',
      'echo.default.svc.cluster.local:80',
      '10.211.2.10',
      80,
      true,
    ],
    ['for another address: the pod may map the port', '10.211.2.10:15008', '9.9.9.9:80', '10.211.2.10', 80, true],
    ['for a host name with quotes', '10.211.2.10:15008', '"x=\\:80', '10.211.2.10', 80, true],
  ])('%s', (_name, address, target, destinationIp, destinationPort, portUncertain) => {
    expect(readOne(plain(`${FROM_PA} dst.addr=${address} dst.hbone_addr=${target} ${TO_PB} ${ENDED}`))).toMatchObject({
      connection: { destinationIp, destinationPort },
      portUncertain,
      tunnelTarget: target,
    });
  });

  test.each([
    [
      'connection closed due to policy rejection: allow policies exist, but none allowed',
      'allow policies exist, but none allowed',
      undefined,
      false,
    ],
    ['connection closed due to policy rejection: explicitly denied by: a/b', 'explicitly denied by: a/b', 'a/b', false],
    [
      'connection closed due to policy rejection: policy a/b has not arrived yet',
      'policy a/b has not arrived yet',
      undefined,
      false,
    ],
    ['connection closed due to policy change', 'connection closed due to policy change', undefined, true],
  ])('denied: %s', (error, reason, policy, late) => {
    const line = plain(
      `${FROM_PA} dst.addr=10.211.2.10:80 ${TO_PB} ${ENDED} error="${error}"`,
      'connection complete',
      'error',
    );
    expect(readOne(line)?.recorded).toEqual({ outcome: 'denied', reason, policy, late });
  });

  test.each(['connection failed: Connection refused (os error 111)', 'connection closed due to connection drain'])(
    'allowed, for policies were asked before: %s',
    (error) => {
      const line = plain(
        `${FROM_PA} dst.addr=10.211.2.10:80 ${TO_PB} ${ENDED} error="${error}"`,
        'connection complete',
        'error',
      );
      expect(readOne(line)?.recorded).toEqual({ outcome: 'allowed' });
    },
  );

  test.each([
    ['kubectl logs --prefix', '[pod/ztunnel-x7k2p/istio-proxy] '],
    ['kubectl logs --timestamps', '2026-08-20T10:00:00.123456789Z '],
    ['both', '[pod/ztunnel-x7k2p/istio-proxy] 2026-08-20T10:00:00.123456789Z '],
    ['a file of the node (CRI)', '2026-08-20T10:00:00.123456789+02:00 stdout F '],
    ['a file of the node, through kubectl logs --timestamps', '2026-08-20T10:00:00Z 2026-08-20T10:00:00Z stderr F '],
  ])('behind what %s puts before it, in both forms, and with CR LF', (_name, prefix) => {
    const fields = `${FROM_PA} dst.addr=10.211.2.10:80 ${TO_PB} ${ENDED}`;
    const json = printJson([
      ['src.addr', '10.211.1.10:1'],
      ['dst.addr', '10.211.2.10:80'],
      ['dst.workload', 'pb'],
      ['dst.namespace', 'default'],
      ['direction', 'inbound'],
    ]);
    for (const line of [plain(fields), json])
      expect(readOne(`${prefix}${line.replace('\n', '\r\n')}`)).toMatchObject({
        time: TIME,
        connection: { destinationPort: 80 },
      });
  });

  test.each([
    [
      'of Docker',
      (log: string) => `{"log":${JSON.stringify(log)},"stream":"stdout","time":"2026-08-20T10:00:00.2Z"}\n`,
    ],
    [
      'of Docker with labels of the container, and CR LF',
      (log: string) =>
        `${JSON.stringify({ log: log.replace('\n', '\r\n'), stream: 'stderr', attrs: { a: 'b' }, time: '' })}\r\n`,
    ],
  ])('in a file of the node (%s), in both forms and in colours', (_name, wrap) => {
    const line = plain(`${FROM_PA} dst.addr=10.211.2.10:80 ${TO_PB} ${ENDED}`);
    const json = printJson([
      ['src.addr', '10.211.1.10:1'],
      ['dst.addr', '10.211.2.10:80'],
      ['dst.workload', 'pb'],
      ['dst.namespace', 'default'],
      ['direction', 'inbound'],
    ]);
    for (const text of [line, json, line.replace('access', '\u001b[1;32maccess\u001b[m')])
      expect(readOne(wrap(text))).toMatchObject({ time: TIME, connection: { destinationPort: 80 } });
    const other = `${TIME}\tinfo\tztunnel\trunning with config: a: 1\n`;
    expect(parseAccessLog([other, '  b: 2\n', '\n', 'c: 3\n', json, '\n'].map(wrap).join(''))).toMatchObject({
      connections: [{ line: 5 }],
      unreadable: { count: 0 },
      skipped: { other: 5 },
    });
  });

  test('in colours', () => {
    const line = plain(`${FROM_PA} dst.addr=10.211.2.10:80 ${TO_PB} ${ENDED}`)
      .replace(TIME, `\u001b[2m${TIME}\u001b[0m`)
      .replace('access', '\u001b[1;32maccess\u001b[m')
      .replaceAll(/[\w.]+(?==)/g, '\u001b[3m$&\u001b[0m');
    expect(readOne(line)).toMatchObject({ time: TIME, connection: { identity: SLEEP, destinationPort: 80 } });
  });
});

test('connections that had not ended are known from the line of their beginning', () => {
  const opened = `${FROM_PA} dst.addr=10.211.2.10:15008 dst.hbone_addr=10.211.2.10:9001 ${TO_PB}`;
  const log = parseAccessLog(
    plain(opened, 'connection opened', 'debug') +
      plain(opened, 'connection opened', 'debug') +
      plain(`${opened} ${ENDED}`) +
      plain(opened.replaceAll('9001', '9002'), 'connection opened', 'debug') +
      plain(`${opened.replaceAll('9001', '9002')} ${ENDED}`),
  );
  expect(log.connections.map(({ line, recorded }) => [line, recorded.outcome])).toEqual([
    [2, 'unknown'],
    [3, 'allowed'],
    [5, 'allowed'],
  ]);
});

test('lines that say nothing of policies are counted', () => {
  const log = parseAccessLog(
    [
      `${TIME}\tinfo\tztunnel\tversion: x\t\n${TIME}\tinfo\tztunnel\trunning with config: a: 1\n  b: 2\n\nc: 3\n`,
      plain(
        'src.addr=10.211.1.10:1 dst.addr=10.96.0.21:80 direction="outbound" error="no healthy upstream: 10.96.0.21:80"',
        'connection failed',
        'warn',
      ),
      plain(
        'src.addr=10.211.1.13:1 dst.addr=10.211.2.10:15008 direction="inbound" error="tls handshake error: Custom { kind: InvalidData, error: InvalidCertificate(Other(OtherError(SanTrustDomainError(\\"cluster.local\\", [])))) }"',
        'connection failed',
        'warn',
      ),
      '{"level":"info","time":"2026-08-20T10:00:00.1Z","scope":"ztunnel::state","message":"x"}\n',
    ].join(''),
  );
  expect(log).toEqual({
    connections: [],
    unreadable: { count: 0, first: [] },
    skipped: { outbound: 1, early: 1, other: 6 },
  });
});

test.each([
  ['at 10.0.0.1:15008\tinfo', 'not a log line'],
  [`2026-08-20T10:00:00Z stdout P ${TIME}\tinfo\taccess\tconnection complete\tx=1`, 'only a part of a line'],
  ['{"level":"info","scope":"acc', 'not a whole JSON object'],
  ['{"a":1}', 'JSON, but no log line'],
  ['{"log":"2026-08-20T10:00:00Z","stream":"stdout"', 'not a whole JSON object'],
  ['{"log":7,"stream":"stdout","time":""}', 'JSON, but no log line'],
  [`{"log":"${TIME}\\tinfo\\taccess\\tconnection","stream":"stdout"}`, 'only a part of a line'],
  ['{"log":"a\\nb\\n","stream":"stdout"}', 'more than one line'],
  ['{"log":"{\\"log\\":\\"a\\"}\\n","stream":"stdout"}', 'JSON, but no log line'],
  ['{"log":"x\\n","stream":"stdout"}', 'not a log line'],
  [`${TIME}\tinfo\taccess\tconnection comp`, 'cut off before its fields'],
  [
    `${TIME}\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:1 src.workload="p`,
    'field src.workload: no text in quotes at "\\"p"',
  ],
  [
    `${TIME}\tinfo\taccess\tconnection complete\tdirection="in\\qbound"`,
    'field direction: no text in quotes at "\\"in\\\\qbound\\""',
  ],
  [`${TIME}\tinfo\taccess\tconnection complete\tdirection="in" direction="out"`, 'field direction is there twice'],
  [`${TIME}\tinfo\taccess\tconnection complete\tdirection`, 'no key=value at "direction"'],
  [`${TIME}\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:1`, 'direction: want inbound or outbound'],
  [plain(`${FROM_PA} dst.addr=10.0.0.1:1 direction="inbound"`).trimEnd(), 'no dst.namespace or dst.workload'],
  [plain(`${FROM_PA} dst.addr=10.0.0.1 ${TO_PB}`).trimEnd(), 'dst.addr "10.0.0.1": want IP:PORT'],
  [plain(`${FROM_PA} dst.addr=10.0.0.1:65536 ${TO_PB}`).trimEnd(), 'dst.addr "10.0.0.1:65536": want IP:PORT'],
  [plain(`src.addr=sleep:1 dst.addr=10.0.0.1:1 ${TO_PB}`).trimEnd(), 'src.addr "sleep:1": want IP:PORT'],
  [plain(`${FROM_PA} dst.addr=10.0.0.1:1 dst.hbone_addr=x ${TO_PB}`).trimEnd(), 'dst.hbone_addr "x": want HOST:PORT'],
  [
    plain(`src.addr=10.0.0.1:1 src.identity="spiffe://td/x" dst.addr=10.0.0.1:1 ${TO_PB}`).trimEnd(),
    'src.identity "spiffe://td/x": want spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT',
  ],
])('told as unreadable: %j', (bad, reason) => {
  const whole = plain(`${FROM_PA} dst.addr=10.211.2.10:80 ${TO_PB} ${ENDED}`);
  const log = parseAccessLog(`${whole}${bad}\n${whole}`);
  expect(log.unreadable).toEqual({ count: 1, first: [{ line: 2, reason }] });
  expect(log.connections.map(({ line }) => line)).toEqual([1, 3]);
});

test.each([' \0', ' b', '" c=', '\\" x="'])(
  'a host that begins with a quote takes nothing of the field behind it: %j',
  (service) => {
    const quoted = `"${service.replaceAll(/["\\]/g, '\\$&').replaceAll('\0', '\\0')}"`;
    const hbone = `${FROM_PA} dst.addr=10.211.2.10:15008 dst.hbone_addr=":80 dst.service=${quoted} ${TO_PB} ${ENDED}`;
    expect(readOne(plain(hbone))).toMatchObject({ tunnelTarget: '":80', connection: { destinationPort: 80 } });
  },
);

test('of a file that is no log at all, the first lines are told and all are counted', () => {
  const { unreadable } = parseAccessLog('x\n'.repeat(1_000));
  expect(unreadable.count).toBe(1_000);
  expect(unreadable.first).toHaveLength(20);
});
