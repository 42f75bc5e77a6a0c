import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type DenialReport, type LabClient, LabError, type PodSpec } from '@ambientmesh/lab';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, ADDRESS6, PORT, TEST_TOPOLOGY } from './lab/test-topology.ts';
import { parseAccessLog } from './observed/access-log.ts';
import { parseMetrics, sumOf } from './observed/metrics.ts';
import { ztunnelOf } from './observed/node-process.ts';
import { PodSockets } from './pods/pod-sockets.ts';

/** What curl says of a connection that was reset: how a client sees a refusal. */
const RESET = 56;
const LIVE_CHANGE_MS = 1_000;
/** A client of another namespace. */
const VISITOR: PodSpec = {
  name: 'visitor',
  node: 'node1',
  namespace: 'other',
  serviceAccount: 'visitor',
  address: '10.244.1.40',
  run: 'idle',
};
const SERVERS = ['httpbin-1', 'httpbin-2'] as const;
type Client = 'sleep' | 'notsleep' | 'visitor' | 'outside';
type Server = (typeof SERVERS)[number];

let lab: LabClient;
beforeAll(async () => {
  lab = await startTestLab({ topology: { ...TEST_TOPOLOGY, pods: [...TEST_TOPOLOGY.pods, VISITOR] } });
});
afterAll(() => lab?.close());
afterEach(async () => {
  const names = (await lab.policies()).map(({ object }) => object);
  if (names.length > 0) await lab.deletePolicies(...names);
});

test('without policies everybody passes', async () => {
  expect(await exitCodes('sleep', 'notsleep', 'visitor', 'outside')).toEqual(codes(0, 0, 0, 0));
});

describe('the guide to policies of layer 4', () => {
  test('ALLOW by principal: sleep passes, notsleep is cut off', async () => {
    await lab.applyPolicies(policy('allow-sleep'));
    expect(await exitCodes('sleep', 'notsleep', 'visitor', 'outside')).toEqual(codes(0, RESET, RESET, RESET));
  });

  test('the same with methods: both are cut off, and the author is told why', async () => {
    const { changes } = await lab.applyPolicies(policy('allow-sleep-get'));
    expect(changes.flatMap(({ notes }) => notes).join('\n')).toContain('methods');
    expect(await exitCodes('sleep', 'notsleep')).toEqual(codes(RESET, RESET));
  });

  test('DENY by principal: notsleep is cut off, everybody else passes', async () => {
    await lab.applyPolicies(policy('deny-notsleep'));
    expect(await exitCodes('sleep', 'notsleep', 'visitor', 'outside')).toEqual(codes(0, RESET, 0, 0));
  });

  test('DENY goes before ALLOW', async () => {
    const both = policy('allow-sleep').text.replace('sa/sleep', 'sa/notsleep');
    await lab.applyPolicies(both, policy('deny-notsleep'));
    expect(await exitCodes('sleep', 'notsleep')).toEqual(codes(RESET, RESET));
  });

  test('namespaces: a whole namespace for the clients of another', async () => {
    await lab.applyPolicies(policy('allow-namespace'));
    expect(await exitCodes('sleep', 'notsleep', 'visitor', 'outside')).toEqual(codes(RESET, RESET, 0, RESET));
  });

  test('ipBlocks: by the address of the client', async () => {
    await lab.applyPolicies(policy('allow-ip-block'));
    expect(await exitCodes('sleep', 'notsleep', 'visitor', 'outside')).toEqual(codes(0, RESET, RESET, RESET));
    const url = `http://[${ADDRESS6['httpbin-2']}]:${PORT.http}/ip`;
    const over6 = await Promise.all(
      ['sleep', 'outside'].map((from) => lab.exec(from, ['curl', '-gsS', '-o', '/dev/null', url])),
    );
    expect(over6.map(({ code }) => code)).toEqual([0, RESET]);
  });

  test('ports: one of the application is closed, the others are open', async () => {
    await lab.applyPolicies(policy('deny-port'));
    expect(await exitCodes('sleep', 'outside')).toEqual(codes(0, undefined, undefined, 0));
    for (const from of ['sleep', 'outside'] as const) {
      await using pod = new PodSockets(lab, from);
      const connection = await pod.connect(ADDRESS['httpbin-2'], PORT.echo, 'x');
      expect((await connection.readToEnd()).bytes).toBe(0);
    }
  });

  test('STRICT: a client outside of the mesh is cut off; PERMISSIVE again: it passes', async () => {
    await lab.applyPolicies(policy('strict'));
    expect(await exitCodes('sleep', 'outside')).toEqual(codes(0, undefined, undefined, RESET));
    await lab.applyPolicies(policy('permissive'));
    expect(await exitCodes('sleep', 'outside')).toEqual(codes(0, undefined, undefined, 0));
  });

  test('STRICT but one port: a client outside of the mesh has that port alone', async () => {
    await lab.applyPolicies(policy('strict-but-one-port'));
    expect(await lab.policies()).toMatchObject([{ effect: 'STRICT, 9000 PERMISSIVE' }]);
    expect(await exitCodes('sleep', 'outside')).toEqual(codes(0, undefined, undefined, RESET));
    await using outside = new PodSockets(lab, 'outside');
    const connection = await outside.connect(ADDRESS['httpbin-2'], PORT.echo);
    expect(await connection.echo('open')).toBe('open');
  });

  test('a policy of the root namespace is for the whole mesh', async () => {
    const selected = policy('deny-notsleep').text.replace('namespace: default', 'namespace: istio-system');
    await lab.applyPolicies(selected.replace(/^ {2}selector:\n.*\n.*\n/m, ''));
    expect(await exitCodes('sleep', 'notsleep')).toEqual(codes(0, RESET));
  });

  test('a policy that is deleted is gone', async () => {
    await lab.applyPolicies(policy('allow-sleep'));
    expect(await exitCodes('notsleep')).toEqual(codes(undefined, RESET));
    await lab.deletePolicies('AuthorizationPolicy/default/httpbin');
    expect(await exitCodes('notsleep')).toEqual(codes(undefined, 0));
  });
});

test('a dry run changes nothing, and tells what it would have', async () => {
  await lab.applyPolicies(policy('dry-run-deny-all'));
  expect(await exitCodes('sleep', 'notsleep', 'outside')).toEqual(codes(0, 0, undefined, 0));
  expect(await lab.policies()).toMatchObject([{ dryRun: true, accepted: true }]);
  const { text } = await denialOf(({ kind }) => kind === 'shadow');
  expect(text).toMatch(/default\/nobody/);
  expect(text).toMatch(/dry.run/);
});

test('a denied request is logged in the words of the reference', async () => {
  await lab.applyPolicies(policy('allow-sleep'));
  const from = (await lab.log('ztunnel@node2')).length;
  await curl('notsleep', 'httpbin-2');
  const line = await lab.waitForLog('ztunnel@node2', (text) => text.includes('policy rejection'), { from });
  expect(parseAccessLog(line)).toMatchObject({
    level: 'error',
    fields: {
      'src.identity': 'spiffe://cluster.local/ns/default/sa/notsleep',
      direction: 'inbound',
      error: 'connection closed due to policy rejection: allow policies exist, but none allowed',
    },
  });
});

test('denied requests are counted by client and server, with and without a tunnel', async () => {
  await lab.applyPolicies(policy('allow-sleep'));
  const clients = [
    { from: 'notsleep', labels: { connection_security_policy: 'mutual_tls', source_workload: 'notsleep' } },
    { from: 'outside', labels: { connection_security_policy: 'unknown', source_principal: 'unknown' } },
  ] as const;
  const denials = async (): Promise<number[]> => {
    const samples = parseMetrics(await lab.metrics('node2'));
    const denied = { reporter: 'destination', destination_workload: 'httpbin', response_flags: 'DENY' };
    return clients.map(({ labels }) => sumOf(samples, 'istio_tcp_connections_failed_total', { ...denied, ...labels }));
  };
  const before = await denials();
  for (const { from } of clients) expect(await curl(from, 'httpbin-2')).toBe(RESET);
  const expected = before.map((count) => count + 1);
  await vi.waitFor(async () => expect(await denials()).toEqual(expected), { timeout: 5_000 });
});

test('a denied request is explained, whatever node its target is on', async () => {
  await lab.applyPolicies(policy('allow-sleep'));
  for (const [server, node] of [
    ['httpbin-1', 'node1'],
    ['httpbin-2', 'node2'],
  ] as const) {
    // A port that no other test asks for: equal denials are told as one.
    expect((await lab.exec('notsleep', ['curl', '-sS', `http://${ADDRESS[server]}:${PORT.banner}`])).code).toBe(RESET);
    const isIt = ({ pod, connection }: DenialReport): boolean =>
      pod.name === server && connection.destinationPort === PORT.banner;
    const { text, ...denial } = await denialOf(isIt);
    expect(denial).toMatchObject({ node, kind: 'refused', connection: { sourceIp: ADDRESS.notsleep } });
    expect((await lab.denials(server)).find(isIt)).toEqual({ text, ...denial });
    expect(text).toMatch(/DENIED cluster\.local\/ns\/default\/sa\/notsleep .* by default\/httpbin/);
    expect(text).toMatch(
      /rule 1 of default\/httpbin failed on `principals` only: wanted cluster\.local\/ns\/default\/sa\/sleep, got .*\/notsleep/,
    );
    expect(text).toContain('would pass if the principal were cluster.local/ns/default/sa/sleep');
  }
  expect((await lab.denials('httpbin-1')).every(({ pod }) => pod.name === 'httpbin-1')).toBe(true);
});

test('a policy for no pod changes nothing, and says so', async () => {
  const typo = policy('deny-notsleep').text.replace('app: httpbin', 'app: htpbin');
  const { changes } = await lab.applyPolicies(typo);
  expect(changes[0]?.notes.join()).toMatch(/selects no pod: labels there are .*app=httpbin/);
  expect(await lab.policies()).toMatchObject([{ pods: [] }]);
  expect(await exitCodes('notsleep')).toEqual(codes(undefined, 0));
});

test('a denial is explained by the policies of its time; what is left out for HTTP, in words', async () => {
  const target = `${ADDRESS['httpbin-2']}:${PORT.sink}`;
  const deniedBy = async (name: string): Promise<string> => {
    await lab.applyPolicies(policy(name));
    expect((await lab.exec('notsleep', ['curl', '-sS', `http://${target}`])).code).toBe(RESET);
    const page = 'http://127.0.0.1:15000/debug/denials';
    const { stdout } = await lab.exec('node2', ['curl', '-sS', page]);
    return stdout.slice(stdout.indexOf(target)).split(/^\d{4}-/m)[0] ?? '';
  };
  expect(await deniedBy('allow-sleep')).toContain('failed on `principals` only');
  const told = await deniedBy('allow-sleep-get');
  expect(told).not.toContain('failed on `principals` only');
  expect(told).toMatch(/\bmethods\b/);
});

test.each([
  {
    name: 'malformed',
    places: [
      /malformed\.yaml:11:\d+: AuthorizationPolicy\/default\/httpbin: spec\.action: .*ALLOW.*DENY/,
      /malformed\.yaml:15:\d+: AuthorizationPolicy\/default\/httpbin: spec\.rules\[0\]\.from\[0\]\.source\.principal: .*principals/,
    ],
  },
  {
    name: 'wrong-values',
    places: [
      /wrong-values\.yaml:14:\d+: AuthorizationPolicy\/default\/httpbin: spec\.rules\[0\]\.from\[0\]\.source\.ipBlocks\[0\]: .*10\.244\.1\.0\/33/,
      /wrong-values\.yaml:17:\d+: AuthorizationPolicy\/default\/httpbin: spec\.rules\[0\]\.to\[0\]\.operation\.ports\[0\]: .*65535/,
    ],
  },
])('a policy with mistakes ($name) is refused, each with its path, and the previous version stays', async (row) => {
  await lab.applyPolicies(policy('allow-sleep'));
  const refusal = await lab.applyPolicies(policy(row.name)).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(LabError);
  expect(refusal).toMatchObject({ code: 'LAB_POLICY_INVALID' });
  const said = refusal instanceof LabError ? refusal.message : '';
  expect(said).toContain('AuthorizationPolicy/default/httpbin: its previous version stays in force');
  for (const place of row.places) expect(said).toMatch(place);
  expect(await exitCodes('sleep', 'notsleep')).toEqual(codes(0, RESET));
  expect(await lab.policies()).toMatchObject([{ generation: 1, refused: row.places.map(() => ({})) }]);
  await lab.applyPolicies(policy('allow-sleep'));
  expect(await lab.policies()).toMatchObject([{ generation: 1, refused: [] }]);
});

describe.each(SERVERS)('a change of policies while connections to %s are open', (to) => {
  test('cuts the one that is denied now, within a second, and leaves its neighbour alone', async () => {
    await using sleep = new PodSockets(lab, 'sleep');
    await using notsleep = new PodSockets(lab, 'notsleep');
    const kept = await sleep.connect(ADDRESS[to], PORT.echo);
    const cut = await notsleep.connect(ADDRESS[to], PORT.echo);
    expect([await kept.echo('one'), await cut.echo('two')]).toEqual(['one', 'two']);
    const logged = (await lab.log(nodeOf(to))).length;
    const seen = (await lab.log(to)).length;
    let endedMs = 0;
    const end = cut.readToEnd().then((received) => {
      endedMs = performance.now();
      return received;
    });
    await lab.applyPolicies(policy('allow-sleep'));
    const inForceMs = performance.now();
    // The tunnel has no word for it but CANCEL, which the client's side takes for an end (spec hbone.md §5).
    expect(await end).toMatchObject({ bytes: 0, end: expect.stringMatching(/^(fin|ECONNRESET)$/) });
    expect(endedMs - inForceMs).toBeLessThan(LIVE_CHANGE_MS);
    expect(await kept.echo('three')).toBe('three');
    await lab.waitForLog(nodeOf(to), (line) => line.includes('connection closed due to policy change'), {
      from: logged,
    });
    const line = await lab.waitForLog(to, (text) => text.includes(`"port":${PORT.echo}`), { from: seen });
    expect(JSON.parse(line)).toMatchObject({ end: 'reset', bytes: 3 });
  });

  test('STRICT cuts the client outside of the mesh, within a second, and no other', async () => {
    await using sleep = new PodSockets(lab, 'sleep');
    await using outside = new PodSockets(lab, 'outside');
    const kept = await sleep.connect(ADDRESS[to], PORT.echo);
    const cut = await outside.connect(ADDRESS[to], PORT.echo);
    expect([await kept.echo('one'), await cut.echo('two')]).toEqual(['one', 'two']);
    const end = cut.readToEnd().then(() => performance.now());
    await lab.applyPolicies(policy('strict'));
    const inForceMs = performance.now();
    expect((await end) - inForceMs).toBeLessThan(LIVE_CHANGE_MS);
    expect(await kept.echo('three')).toBe('three');
  });
});

test('a lab can begin with policies, and not with malformed ones', async () => {
  const policies = [policy('allow-sleep')];
  await using other = await startTestLab({ policies });
  expect(await other.policies()).toMatchObject([
    { object: 'AuthorizationPolicy/default/httpbin', generation: 1, confirmed: true },
  ]);
  const answers = await Promise.all(['sleep', 'notsleep'].map((from) => other.exec(from, curlTo('httpbin-2'))));
  expect(answers.map(({ code }) => code)).toEqual([0, RESET]);
  await expect(startTestLab({ policies: [policy('malformed')] })).rejects.toMatchObject({ code: 'LAB_POLICY_INVALID' });
});

test('all of this was done by the same ztunnels', async () => {
  for (const node of ['node1', 'node2'])
    expect(await ztunnelOf(lab, node)).toMatchObject({ running: true, starts: 1, restarts: 0 });
});

function policy(name: string): { readonly file: string; readonly text: string } {
  const file = fileURLToPath(new URL(`policies/${name}.yaml`, import.meta.url));
  return { file, text: readFileSync(file, 'utf8') };
}

function nodeOf(server: Server): string {
  return server === 'httpbin-1' ? 'ztunnel@node1' : 'ztunnel@node2';
}

function curlTo(server: Server): string[] {
  return ['curl', '-sS', '-o', '/dev/null', '-m', '10', `http://${ADDRESS[server]}:${PORT.http}/ip`];
}

async function curl(from: Client, to: Server): Promise<number> {
  return (await lab.exec(from, curlTo(to))).code;
}

/** Exit codes of curl to each server, by client; all at once. */
async function exitCodes(...clients: readonly Client[]): Promise<Record<string, readonly number[]>> {
  const each = clients.map(
    async (from): Promise<[string, readonly number[]]> => [
      from,
      await Promise.all(SERVERS.map((to) => curl(from, to))),
    ],
  );
  return Object.fromEntries(await Promise.all(each));
}

/** The same exit code to both servers for each client; undefined: it is not asked. */
function codes(sleep?: number, notsleep?: number, visitor?: number, outside?: number): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries({ sleep, notsleep, visitor, outside }).flatMap(([client, code]) =>
      code === undefined ? [] : [[client, SERVERS.map(() => code)]],
    ),
  );
}

/** What `tells` of the denials of all nodes, once one of them does. */
async function denialOf(tells: (denial: DenialReport) => boolean): Promise<DenialReport> {
  return vi.waitFor(
    async () => {
      const denials = await lab.denials();
      const found = denials.find(tells);
      if (found === undefined) throw new Error(`not told: ${denials.map(({ text }) => text).join('\n')}`);
      return found;
    },
    { timeout: 5_000 },
  );
}
