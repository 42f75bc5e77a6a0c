import { XdsError } from '@ambientmesh/xds';
import { expect, test } from 'vitest';
import type { LogField } from '../../log/line.ts';
import { type Logger, silentLogger } from '../../log/logger.ts';
import type { Workload } from '../../state/workload.ts';
import { backOffMs } from './back-off.ts';
import type { Clock, FetchedCertificate } from './certificate-source.ts';
import { CertificateManager, type CertificateMessage } from './manager.ts';
import { CertificatePrefetcher } from './prefetcher.ts';

class FakeClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<{ at: number; action: () => void }>();

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, action: () => void): () => void {
    const timer = { at: this.#now + delayMs, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass, timer by timer, with what each timer causes. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = [...this.#timers].toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.action();
    }
    this.#now = end;
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

interface Request {
  readonly identity: string;
  readonly at: number;
  readonly signal: AbortSignal;
  /** Answers with a certificate that lives from `fromMs` to `toMs`, relative to now. */
  issue(fromMs: number, toMs: number): void;
  /** `cause`: of a connection that could not be made. */
  refuse(message: string, cause?: Error): void;
}

function world(random = () => 0.5) {
  const clock = new FakeClock();
  const requests: Request[] = [];
  const open: Request[] = [];
  const published: CertificateMessage[] = [];
  const warnings: string[] = [];
  const fields: (readonly LogField[])[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (of: readonly LogField[], message) => {
      fields.push(of);
      warnings.push(message);
    },
    error: (_: readonly LogField[], message) => warnings.push(message),
  };
  const manager = new CertificateManager({
    clock,
    random,
    logger,
    publish: (message) => published.push(message),
    source: {
      fetch: (identity, signal) =>
        new Promise<FetchedCertificate>((resolve, reject) => {
          const request: Request = {
            identity,
            signal,
            at: clock.now(),
            issue: (fromMs, toMs) =>
              resolve({
                material: { identity, chainPem: '', privateKeyPem: '', rootsPem: [] },
                serialNumber: '1',
                notBeforeEpochMs: clock.now() + fromMs,
                notAfterEpochMs: clock.now() + toMs,
              }),
            refuse: (message, cause) =>
              reject(cause === undefined ? new Error(message) : new XdsError('XDS_CONNECT_FAILED', message, { cause })),
          };
          requests.push(request);
          open.push(request);
        }),
    },
  });
  /** The next unanswered request. */
  const next = async (): Promise<Request> => {
    await settled();
    const request = open.shift();
    if (request === undefined) throw new Error('no request is open');
    return request;
  };
  return { clock, requests, open, published, warnings, fields, manager, logger, next };
}

const a = 'spiffe://td/ns/n/sa/a';
const b = 'spiffe://td/ns/n/sa/b';
const hour = 3_600_000;

const waits = (random: number): number[] => [1, 2, 3, 4, 5, 6, 7, 8, 9, 60].map((n) => backOffMs(n, () => random));

test('§8: back-off doubles from 1 s to 150 s, a fifth up or down, never above the cap', () => {
  expect(waits(0.5)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000]);
  expect(waits(0)).toEqual([800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 102_400, 120_000, 120_000]);
  expect(Math.max(...waits(0.999_999))).toBe(150_000);
});

test('one fetch for all that want it, fetched again at half of the lifetime', async () => {
  const { clock, requests, published, manager, next } = world();
  manager.want(a);
  manager.want(a);
  (await next()).issue(0, hour);
  await settled();
  expect(published.map(({ type }) => type)).toEqual(['certificate']);
  expect(manager.states()).toMatchObject([{ identity: a, state: 'Available' }]);
  await clock.advance(hour / 2 - 1);
  expect(requests).toHaveLength(1);
  await clock.advance(1);
  expect(requests).toHaveLength(2);
  manager.want(a);
  expect(published.at(-1)?.type).toBe('certificate');
});

test('a refusal is published, callers get it at once, tries follow the back-off, success resets it', async () => {
  const { clock, requests, published, warnings, manager, next } = world();
  const start = clock.now();
  manager.want(a);
  for (const wait of [1000, 2000, 4000]) {
    (await next()).refuse('no');
    await settled();
    expect(published.at(-1)).toEqual({ type: 'certificate-unavailable', identity: a, message: 'no' });
    expect(warnings.at(-1)).toBe(
      `certificate fetch failed (no) and no valid existing certificate; will retry in ${wait / 1000}s (backoff capped at 150s)`,
    );
    const count = published.length;
    manager.want(a);
    await expect(manager.fetch(a, 'warmup')).rejects.toThrow('no');
    expect(published).toHaveLength(count + 1);
    await clock.advance(wait);
  }
  expect(requests.map(({ at }) => at - start)).toEqual([0, 1000, 3000, 7000]);
  expect(manager.states()[0]?.state).toBe('Unavailable: no');
  (await next()).issue(0, hour);
  await clock.advance(hour / 2);
  (await next()).refuse('again');
  await clock.advance(1000);
  expect(requests).toHaveLength(6);
});

test('a certificate that is still valid is kept; its retry is not later than its end', async () => {
  const { clock, requests, published, warnings, manager, next } = world();
  manager.want(a);
  (await next()).issue(0, 3000);
  await clock.advance(1500);
  (await next()).refuse('down');
  await clock.advance(1000);
  (await next()).refuse('down');
  await settled();
  expect(published.map(({ type }) => type)).toEqual(['certificate']);
  expect(warnings[0]).toContain('existing certificate is still valid');
  expect(manager.states()[0]?.state).toBe('Available');
  // 2.5 s: the back-off says 4.5 s, the certificate ends at 3 s.
  await clock.advance(500);
  expect(requests).toHaveLength(4);
  (await next()).refuse('down');
  await settled();
  expect(published.at(-1)?.type).toBe('certificate-unavailable');
});

test('a certificate past its half when it is issued does not make a hot loop', async () => {
  const { clock, requests, manager, next } = world();
  manager.want(a);
  (await next()).issue(-10_000, 5000);
  await clock.advance(999);
  expect(requests).toHaveLength(1);
  await clock.advance(1);
  (await next()).issue(-10_000, 5000);
  await clock.advance(1999);
  expect(requests).toHaveLength(2);
  await clock.advance(1);
  expect(requests).toHaveLength(3);
});

test('eight at a time; a connection overtakes the warm-up', async () => {
  const { requests, manager, next } = world();
  const waiting = Array.from({ length: 10 }, (_, n) => manager.fetch(`${a}${n}`, 'warmup').catch(() => undefined));
  manager.want(b);
  manager.want(`${a}9`);
  await settled();
  expect(requests.map(({ identity }) => identity)).toEqual(Array.from({ length: 8 }, (_, n) => `${a}${n}`));
  for (let n = 0; n < 3; n++) (await next()).issue(0, hour);
  await settled();
  expect(requests.slice(8).map(({ identity }) => identity)).toEqual([`${a}9`, b, `${a}8`]);
  manager.close();
  await Promise.all(waiting);
});

test('forgotten while pending: waiters and connections are told, the call is aborted, nothing comes later', async () => {
  const { clock, requests, published, manager, next } = world();
  const wanted = manager.fetch(a, 'warmup');
  const request = await next();
  manager.forget(a);
  await expect(wanted).rejects.toThrow('the identity is no longer needed');
  expect(request.signal.aborted).toBe(true);
  expect(published.map(({ type }) => type)).toEqual(['certificate-unavailable', 'certificate-forgotten']);
  request.issue(0, hour);
  await clock.advance(10 * hour);
  expect(requests).toHaveLength(1);
  expect(manager.states()).toEqual([]);
  manager.want(a);
  await settled();
  expect(requests).toHaveLength(2);
});

test('a source that never answers is given up', async () => {
  const { clock, published, manager, open } = world();
  manager.want(a);
  await clock.advance(60_000);
  expect(published.at(-1)).toMatchObject({ type: 'certificate-unavailable' });
  expect(open[0]?.signal.aborted).toBe(true);
});

test('after close nothing is fetched', async () => {
  const { clock, requests, manager, next } = world();
  manager.want(a);
  (await next()).issue(0, hour);
  await settled();
  manager.close();
  manager.want(b);
  await expect(manager.fetch(b, 'warmup')).rejects.toThrow('no longer needed');
  await clock.advance(hour);
  expect(requests).toHaveLength(1);
});

const workload = (uid: string, serviceAccount: string, more: Partial<Workload> = {}): Workload => ({
  uid,
  name: uid,
  namespace: 'n',
  serviceAccount,
  trustDomain: 'td',
  ips: [],
  hostname: '',
  protocol: 'HBONE',
  network: '',
  hostNetwork: false,
  node: 'n1',
  clusterId: '',
  canonicalName: '',
  canonicalRevision: '',
  workloadName: '',
  workloadType: 'pod',
  nativeTunnel: false,
  applicationTunnel: undefined,
  waypoint: undefined,
  networkGateway: undefined,
  authorizationPolicies: [],
  healthy: true,
  locality: { region: '', zone: '', subzone: '' },
  capacity: 1,
  ...more,
});

test('prefetch: local workloads only, one at a time; the last of an identity makes it forgotten', async () => {
  const { requests, published, warnings, manager, logger, next } = world();
  const prefetcher = new CertificatePrefetcher({ manager, nodeName: 'n1', logger });
  prefetcher.workloadSeen(workload('1', 'a'));
  prefetcher.workloadSeen(workload('2', 'a'));
  prefetcher.workloadSeen(workload('3', 'b'));
  prefetcher.workloadSeen(workload('4', 'far', { node: 'n2' }));
  prefetcher.workloadSeen(workload('5', 'plain', { protocol: 'TCP' }));
  await settled();
  expect(requests.map(({ identity }) => identity)).toEqual([a]);
  (await next()).refuse('no');
  await settled();
  expect(warnings.at(-1)).toBe(`unable to prefetch cert for "${a}", skipping, no`);
  expect(requests.map(({ identity }) => identity)).toEqual([a, b]);
  prefetcher.workloadRemoved('1');
  prefetcher.workloadRemoved('9');
  expect(published.map(({ type }) => type)).not.toContain('certificate-forgotten');
  prefetcher.workloadSeen(workload('2', 'a', { node: 'n2' }));
  expect(published.at(-1)).toEqual({ type: 'certificate-forgotten', identity: a });
});

test('prefetch without a node name: never', async () => {
  const { requests, manager, logger } = world();
  const prefetcher = new CertificatePrefetcher({ manager, nodeName: undefined, logger });
  prefetcher.workloadSeen(workload('1', 'a'));
  await settled();
  expect(requests).toEqual([]);
});

test('prefetch: the queue is bounded', async () => {
  const { warnings, manager, logger } = world();
  const prefetcher = new CertificatePrefetcher({ manager, nodeName: 'n1', logger });
  for (let n = 0; n < 300; n++) prefetcher.workloadSeen(workload(String(n), `a${n}`));
  expect(warnings).toHaveLength(300 - 257);
  expect(warnings[0]).toContain('the queue is full');
  manager.close();
});

test('a certificate that is over when it comes is a failure that says so; the valid one held stays', async () => {
  const { clock, published, warnings, manager, next } = world();
  const asked = manager.fetch(a, 'warmup');
  (await next()).issue(-2 * hour, -hour);
  await expect(asked).rejects.toThrow(/has expired at 1969-.*clock/);
  expect(published.map(({ type }) => type)).toEqual(['certificate-unavailable']);
  expect(warnings[0]).toContain('no valid existing certificate');
  await clock.advance(1000);
  (await next()).issue(0, 2 * hour);
  await clock.advance(hour);
  (await next()).issue(-2 * hour, -hour);
  await settled();
  expect(published.map(({ type }) => type)).toEqual(['certificate-unavailable', 'certificate']);
  expect(warnings.at(-1)).toContain('existing certificate is still valid');
});

test('an authority that cannot be reached: the text of the reference, and why it is so as a field', async () => {
  const { fields, manager, next } = world();
  manager.want(a);
  const cause = new Error('https://ca:15012: connect ECONNREFUSED 10.0.0.1:15012');
  (await next()).refuse('signing gRPC error (Unknown error): client error (Connect)', cause);
  await settled();
  expect(fields[0]).toEqual([
    ['id', { bare: a }],
    [
      'cause',
      'https://ca:15012: connect ECONNREFUSED 10.0.0.1:15012 (is it up, and are CA_ADDRESS and CA_ROOT_CA right?)',
    ],
  ]);
});
