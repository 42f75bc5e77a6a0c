import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_TOPOLOGY, type LabClient, type PodSpec, type Topology } from '@ambientmesh/lab';
import type { CertificateSpec } from '@ambientmesh/spiffe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestAuthority } from './authority/test-authority.ts';
import { startTestLab } from './lab/start-test-lab.ts';
import { ADDRESS, OUTSIDE, PORT } from './lab/test-topology.ts';
import { ztunnelOf } from './observed/node-process.ts';
import type { TlsChoice } from './pods/driver-protocol.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const HBONE = 15_008;
const HOUR_MS = 3_600_000;
const CLIENT = 'spiffe://cluster.local/ns/default/sa/outside';
/** Claims to be in the mesh, and listens on 15008 itself. */
const IMPOSTOR: PodSpec = {
  name: 'impostor',
  node: 'node2',
  serviceAccount: 'honest',
  address: '10.244.2.40',
  run: 'idle',
  enrol: false,
};
/** In the mesh, but the authority answers with another identity, or not at all. */
const MISNAMED: PodSpec = {
  ...IMPOSTOR,
  name: 'misnamed',
  serviceAccount: 'misnamed',
  node: 'node1',
  address: '10.244.1.41',
  enrol: true,
};
const DENIED: PodSpec = { ...MISNAMED, name: 'denied', serviceAccount: 'denied', address: '10.244.1.42' };
const TOPOLOGY: Topology = {
  ...DEFAULT_TOPOLOGY,
  pods: [...DEFAULT_TOPOLOGY.pods, OUTSIDE, IMPOSTOR, MISNAMED, DENIED],
};

let directory: string;
let authority: TestAuthority;
let lab: LabClient;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ambientmesh-e2e-'));
  authority = await TestAuthority.create();
  authority.misbehaviours.set(spiffeOf('misnamed'), authority.signAs(spiffeOf('somebody-else')));
  authority.misbehaviours.set(spiffeOf('denied'), () => Promise.resolve({ refusal: 'not for you' }));
  const meshConfig = join(directory, 'mesh.yaml');
  await writeFile(meshConfig, renderMeshConfig());
  lab = await startTestLab({
    topology: TOPOLOGY,
    ztunnelEnvironment: { ...authority.environment, LOCAL_XDS_PATH: meshConfig },
  });
});
afterAll(async () => {
  await lab?.close();
  await rm(directory, { recursive: true, force: true });
});

test('no authority: the tunnel fails with one clear line, plain traffic goes on', async () => {
  const from = (await lab.log('ztunnel@node1')).length;
  expect(await get('sleep', 'httpbin-2')).not.toBe(0);
  const line = await lab.waitForLog('ztunnel@node1', (text) => text.includes('identity error:'), { from });
  expect(line).toContain(`src.identity="${spiffeOf('sleep')}"`);
  expect(line).toMatch(/error="identity error: signing gRPC error \(.*\): .*"$/);
  expect(await get('sleep', 'outside')).toBe(0);
  expect(await get('outside', 'httpbin-2')).toBe(0);
});

test('the authority is there at last: the tunnel works without anything being started again', async () => {
  await authority.serve(lab);
  await lab.waitFor(async () => (await get('sleep', 'httpbin-2')) === 0, { what: 'certificates', timeoutMs: 20_000 });
  expect(await ztunnelOf(lab, 'node1')).toMatchObject({ restarts: 0 });
});

test.each([
  { pod: 'misnamed', error: /did not find expected SAN: spiffe:\/\/cluster\.local\/ns\/default\/sa\/misnamed/ },
  { pod: 'denied', error: /signing gRPC error \(.*\): not for you/ },
])('a certificate that the authority gets wrong ($pod) is told and not used', async ({ pod, error }) => {
  const from = (await lab.log('ztunnel@node1')).length;
  const ofPod = (text: string): boolean => text.includes(`src.workload="${pod}"`);
  // Until the next attempt ztunnel tells the failure of the last, when there was no authority.
  const told = async (): Promise<string | undefined> => {
    expect(await get(pod, 'httpbin-2')).not.toBe(0);
    return (await lab.log('ztunnel@node1')).slice(from).find((line) => ofPod(line) && error.test(line));
  };
  expect(await lab.waitFor(told, { what: 'the reason', timeoutMs: 15_000 })).toContain('connection complete');
});

test('an identity of the mesh gets in, and out again', async () => {
  expect(await tunnelRequest(await authority.issue({ uris: [CLIENT] }))).toEqual({ status: 200 });
});

const NOT_CONNECTED: readonly {
  readonly title: string;
  readonly tls: () => Promise<TlsChoice>;
  readonly log: RegExp;
}[] = [
  {
    title: 'no certificate',
    tls: () => Promise.resolve({ ca: authority.rootPem }),
    log: /tls handshake error: .*NoCertificatesPresented/,
  },
  {
    title: 'a certificate of another authority',
    tls: async () => ({ ...(await (await TestAuthority.create()).issue({ uris: [CLIENT] })), ca: authority.rootPem }),
    log: /tls handshake error: .*(UnknownIssuer|BadSignature)/,
  },
  {
    title: 'an expired certificate',
    tls: () => authority.issue({ uris: [CLIENT], ...expired() }),
    log: /tls handshake error: .*Expired/,
  },
  {
    title: 'the wrong trust domain',
    tls: () => authority.issue({ uris: ['spiffe://elsewhere.example/ns/default/sa/outside'] }),
    log: /tls handshake error: .*(SanTrustDomainError|did not present the expected trustdomain)/,
  },
  {
    title: 'no SPIFFE identity',
    tls: () => authority.issue({ dnsNames: ['outside.example'] }),
    log: /tls handshake error: .*(SanTrustDomainError|did not present the expected trustdomain)/,
  },
  {
    title: 'a certificate for servers only',
    tls: () => authority.issue({ uris: [CLIENT], usages: ['serverAuth'] }),
    log: /tls handshake error: .*InvalidPurpose/,
  },
  {
    title: 'TLS 1.2',
    tls: async () => ({ ...(await authority.issue({ uris: [CLIENT] })), maxVersion: 'TLSv1.2' }),
    log: /tls handshake error: .*SupportedVersions/,
  },
];

test.each(NOT_CONNECTED)('a client with $title does not get a tunnel, and one line says why', async ({ tls, log }) => {
  const from = (await lab.log('ztunnel@node2')).length;
  const answered = await tunnelRequest(await tls());
  expect(answered.status).toBeUndefined();
  expect(answered.error).toBeDefined();
  const line = await lab.waitForLog('ztunnel@node2', (text) => text.includes('tls handshake error'), { from });
  expect(line).toMatch(log);
  expect(line).toContain('connection failed');
  expect(line).toContain(`src.addr=${ADDRESS.outside}:`);
  expect(line).toContain('direction="inbound"');
});

test('a client without TLS does not get a tunnel', async () => {
  const from = (await lab.log('ztunnel@node2')).length;
  await using pod = new PodSockets(lab, 'outside');
  const connection = await pod.connect(ADDRESS['httpbin-2'], HBONE);
  await connection.write('GET / HTTP/1.1\r\n\r\n');
  expect((await connection.readToEnd()).text).not.toContain('HTTP');
  await lab.waitForLog('ztunnel@node2', (text) => text.includes('tls handshake error'), { from });
});

test.each([
  {
    title: 'CONNECT to a foreign address',
    headers: connectTo('1.2.3.4:80'),
    status: 400,
    log: 'ip mismatch: 10.244.2.20 != 1.2.3.4',
  },
  {
    title: 'CONNECT to another pod',
    headers: connectTo('10.244.1.20:8080'),
    status: 400,
    log: 'ip mismatch: 10.244.2.20 != 10.244.1.20',
  },
  {
    title: 'CONNECT to loopback',
    headers: connectTo('127.0.0.1:8080'),
    status: 400,
    log: 'ip mismatch: 10.244.2.20 != 127.0.0.1',
  },
  {
    title: 'CONNECT to no port',
    headers: connectTo('httpbin-2'),
    status: 400,
    log: 'no valid authority pseudo header: httpbin-2',
  },
  {
    title: 'CONNECT to 15001',
    headers: connectTo('10.244.2.20:15001'),
    status: 503,
    log: 'attempted recursive call to ourselves',
  },
  {
    title: 'CONNECT to 15006',
    headers: connectTo('10.244.2.20:15006'),
    status: 503,
    log: 'attempted recursive call to ourselves',
  },
  {
    title: 'CONNECT to 15008',
    headers: connectTo('10.244.2.20:15008'),
    status: 503,
    log: 'attempted recursive call to ourselves',
  },
  {
    title: 'CONNECT to an unknown service',
    headers: connectTo('nosuch.default.svc.cluster.local:80'),
    status: 503,
    log: 'no service or workload for hostname: nosuch.default.svc.cluster.local',
  },
  {
    title: 'CONNECT to a closed port',
    headers: connectTo('10.244.2.20:1'),
    status: 503,
    log: 'connection failed: Connection refused',
  },
  {
    title: 'GET',
    headers: { ':method': 'GET', ':path': '/', ':scheme': 'https', ':authority': '10.244.2.20:8080' },
    status: 400,
    log: 'expected method CONNECT, got GET',
  },
])('$title is answered with $status, and one line says why', async ({ headers, status, log }) => {
  const from = (await lab.log('ztunnel@node2')).length;
  const tls = await authority.issue({ uris: [CLIENT] });
  expect(await tunnelRequest(tls, headers)).toEqual({ status });
  const line = await lab.waitForLog('ztunnel@node2', (text) => text.includes(log), { from });
  expect(line).toContain(`src.addr=${ADDRESS.outside}:`);
});

test.each([
  {
    title: 'of another identity',
    spec: () => ({ uris: [spiffeOf('somebody-else')] }),
    log: /identity verification error/,
  },
  { title: 'that has expired', spec: () => ({ uris: [spiffeOf('honest')], ...expired() }), log: /expired/i },
  { title: 'without an identity', spec: () => ({ dnsNames: ['honest.example'] }), log: /identity verification error/ },
])('a server with a certificate $title is not talked to', async ({ spec, log }) => {
  const from = (await lab.log('ztunnel@node1')).length;
  await using impostor = new PodSockets(lab, 'impostor');
  await impostor.listen(HBONE, await authority.issue(spec()));
  await using pod = new PodSockets(lab, 'sleep');
  const connection = await pod.connect(IMPOSTOR.address, PORT.http, 'secret');
  expect(await connection.readToEnd()).toMatchObject({ bytes: 0, end: expect.stringMatching(/^(fin|ECONNRESET)$/) });
  const ofConnection = (text: string): boolean => text.includes(`src.addr=${connection.local}`);
  expect(await lab.waitForLog('ztunnel@node1', ofConnection, { from })).toMatch(log);
});

test('after all that the mesh serves as before, with the same processes', async () => {
  expect(await get('sleep', 'httpbin-2')).toBe(0);
  expect(await ztunnelOf(lab, 'node1')).toMatchObject({ running: true, restarts: 0 });
  expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: true, restarts: 0 });
});

/** One request on a connection of its own from the pod outside to httpbin-2's tunnel port. */
async function tunnelRequest(tls: TlsChoice, headers = connectTo(`${ADDRESS['httpbin-2']}:${PORT.http}`)) {
  await using pod = new PodSockets(lab, 'outside');
  return await pod.request({ host: ADDRESS['httpbin-2'], port: HBONE, tls, headers });
}

function connectTo(authorityOfRequest: string): Readonly<Record<string, string>> {
  return { ':method': 'CONNECT', ':authority': authorityOfRequest };
}

/** Exit code of curl. */
async function get(from: string, to: keyof typeof ADDRESS): Promise<number> {
  return (await lab.exec(from, ['curl', '-sS', '-m', '10', `http://${ADDRESS[to]}:${PORT.http}/get`])).code;
}

function spiffeOf(account: string): string {
  return `spiffe://cluster.local/ns/default/sa/${account}`;
}

function expired(): Pick<CertificateSpec, 'notBeforeEpochMs' | 'notAfterEpochMs'> {
  return { notBeforeEpochMs: Date.now() - 2 * HOUR_MS, notAfterEpochMs: Date.now() - HOUR_MS };
}

/** As the lab writes it, but the impostor is said to be reachable by HBONE; JSON is YAML. */
function renderMeshConfig(): string {
  const workloads = TOPOLOGY.pods.map(({ name, node, serviceAccount, address }) => ({
    uid: `Kubernetes//Pod/default/${name}`,
    name,
    namespace: 'default',
    serviceAccount,
    trustDomain: 'cluster.local',
    workloadIps: [address],
    protocol: name === 'outside' ? 'TCP' : 'HBONE',
    node,
    network: '',
    clusterId: 'Kubernetes',
    services: {},
  }));
  return JSON.stringify({ workloads, policies: [], services: [] });
}
