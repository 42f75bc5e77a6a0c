import { expect, test } from 'vitest';
import { renderOpenMetrics } from './open-metrics.ts';
import { buildFamily, processFamilies, workloadFamilies } from './process-metrics.ts';
import { RevocationMetrics } from './revocation-metrics.ts';
import { TcpMetrics } from './tcp-metrics.ts';

const source = [
  ['reporter', 'source'],
  ['response_flags', '-'],
] as const;
const failed = [
  ['reporter', 'source'],
  ['response_flags', 'CONNECT'],
] as const;
const delta = { opened: 0, closed: 0, failed: 0, receivedBytes: 0, sentBytes: 0 };

test('§10: deltas of all threads add up; bytes stand there with 0 from the opening on', () => {
  const metrics = new TcpMetrics();
  metrics.add(0, [{ ...delta, labels: source, opened: 1 }], { source: 1, destination: 0 });
  metrics.add(1, [{ ...delta, labels: source, opened: 1, sentBytes: 22 }], { source: 2, destination: 0 });
  metrics.add(1, [{ ...delta, labels: failed, closed: 1, failed: 1 }], { source: 0, destination: 0 });
  expect(
    renderOpenMetrics(metrics.families()),
  ).toBe(`# HELP istio_tcp_connections_opened The total number of TCP connections opened.
# TYPE istio_tcp_connections_opened counter
istio_tcp_connections_opened_total{reporter="source",response_flags="-"} 2
# HELP istio_tcp_connections_closed The total number of TCP connections closed.
# TYPE istio_tcp_connections_closed counter
istio_tcp_connections_closed_total{reporter="source",response_flags="CONNECT"} 1
# HELP istio_tcp_received_bytes The size of total bytes received during request in case of a TCP connection.
# TYPE istio_tcp_received_bytes counter
istio_tcp_received_bytes_total{reporter="source",response_flags="-"} 0
# HELP istio_tcp_sent_bytes The size of total bytes sent during response in case of a TCP connection.
# TYPE istio_tcp_sent_bytes counter
istio_tcp_sent_bytes_total{reporter="source",response_flags="-"} 22
# HELP istio_tcp_connections_failed The total number of TCP connections that failed to establish (unstable).
# TYPE istio_tcp_connections_failed counter
istio_tcp_connections_failed_total{reporter="source",response_flags="CONNECT"} 1
# HELP istio_tcp_sockets_open The current number of open TCP sockets (unstable).
# TYPE istio_tcp_sockets_open gauge
istio_tcp_sockets_open{reporter="source"} 1
# EOF
`);
});

test('families without samples are left out, label values are escaped', async () => {
  const text = renderOpenMetrics([
    ...(await processFamilies(20_000)),
    buildFamily('1"\\\n2'),
    ...new TcpMetrics().families(),
    ...workloadFamilies({ activeCount: 3, pendingCount: 0, startedTotal: 3, stoppedTotal: 0 }),
  ]);
  expect(text).not.toContain('istio_tcp');
  expect(text).toContain('istio_build{component="ztunnel",tag="1\\"\\\\\\n2"} 1\n');
  expect(text).toMatch(
    /^# HELP process_open_fds Number of open file descriptors\n# TYPE process_open_fds gauge\nprocess_open_fds \d+\n/,
  );
  expect(text).toMatch(/workload_manager_proxies_stopped_total 0\n# EOF\n$/);
});

test('label sets that peers make up are bounded: the rest is counted together, nothing is lost', () => {
  const metrics = new TcpMetrics();
  for (let n = 0; n < 25_000; n++)
    metrics.add(0, [{ ...delta, labels: [...source, ['source_workload', `w${n}`]], opened: 1 }], {
      source: 0,
      destination: 0,
    });
  const [opened] = metrics.families();
  const samples = [...(opened?.samples ?? [])];
  expect(samples.length).toBeLessThanOrEqual(20_001);
  expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(25_000);
  expect(samples.at(-1)).toMatchObject({
    labels: [
      ['reporter', 'source'],
      ['response_flags', '-'],
      ['source_workload', 'unknown'],
    ],
    value: 5000,
  });
});

test('§10: handshakes that revocation lists ended, of all threads, by reporter', () => {
  const metrics = new RevocationMetrics();
  expect(renderOpenMetrics([metrics.family()])).toBe('# EOF\n');
  metrics.add({ source: 0, destination: 2 });
  metrics.add({ source: 0, destination: 1 });
  expect(renderOpenMetrics([metrics.family()])).toContain(
    'istio_crl_policy_rejections_total{reporter="destination"} 3\n',
  );
});
