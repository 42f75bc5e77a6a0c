import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import type { ZtunnelConfig } from './config.ts';
import { machineSystem } from './config-system.ts';
import { describeConfig } from './describe-config.ts';
import { parseConfig } from './parse-config.ts';
import { renderYaml } from './render-yaml.ts';

const base = { XDS_ADDRESS: '', CA_ADDRESS: 'https://ca:15012', ISTIO_META_DNS_CAPTURE: 'false' };

function parse(
  variables: Record<string, string | undefined>,
  options: { cores?: number; files?: Record<string, string> } = {},
): ZtunnelConfig {
  const all = new Map(
    Object.entries({ ...base, ...variables }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return parseConfig((name) => all.get(name), {
    environmentNames: [...all.keys()],
    cores: options.cores ?? 2,
    readFile: (path) => options.files?.[path],
  });
}

test.each([
  {
    variables: { PROXY_MODE: 'both' },
    message: 'invalid env var PROXY_MODE=both (PROXY_MODE must be one of dedicated, shared)',
  },
  {
    variables: { PROXY_MODE: 'dedicated' },
    message: 'invalid configuration: PROXY_MODE=dedicated requires PROXY_WORKLOAD_INFO to be set',
  },
  {
    variables: { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'a/b' },
    message: `invalid configuration: PROXY_WORKLOAD_INFO must match the format 'namespace/name/service-account' (got ["a", "b"])`,
  },
  {
    variables: { ENABLE_PROXY: 'yes' },
    message: 'invalid env var ENABLE_PROXY=yes (provided string was not `true` or `false`)',
  },
  {
    variables: { ENABLE_PROXY: 'false' },
    message: 'error parsing proxy config: ztunnel run without any servers enabled',
  },
  { variables: { SECRET_TTL: 'soon' }, message: 'invalid env var SECRET_TTL=soon (soon\n^\n)' },
  {
    variables: { POOL_MAX_STREAMS_PER_CONNECTION: '-1' },
    message: 'invalid env var POOL_MAX_STREAMS_PER_CONNECTION=-1 (invalid digit found in string)',
  },
  {
    variables: { ZTUNNEL_WORKER_THREADS: 'many' },
    message: 'invalid env var ZTUNNEL_WORKER_THREADS=many (invalid number: invalid digit found in string)',
  },
  {
    variables: { ZTUNNEL_WORKER_THREADS: '101%' },
    message: 'invalid env var ZTUNNEL_WORKER_THREADS=101% (percentage must be between 0 and 100)',
  },
  {
    variables: { ZTUNNEL_WORKER_THREADS: '0%' },
    message: 'invalid env var ZTUNNEL_WORKER_THREADS=0% (percentage must be between 0 and 100)',
  },
  {
    variables: { ZTUNNEL_RESOURCE_CPU_LIMIT: '0' },
    message: 'invalid env var ZTUNNEL_RESOURCE_CPU_LIMIT=0 (must be a positive CPU quantity)',
  },
  {
    variables: { ZTUNNEL_RESOURCE_CPU_LIMIT: 'x' },
    message: 'invalid env var ZTUNNEL_RESOURCE_CPU_LIMIT=x (invalid float literal)',
  },
  {
    variables: { LOCAL_XDS: '{}', LOCAL_XDS_PATH: 'x' },
    message: 'invalid configuration: only one of LOCAL_XDS_PATH or LOCAL_XDS may be set',
  },
  { variables: { PACKET_MARK: '0x539' }, message: 'invalid env var PACKET_MARK=0x539 (invalid digit found in string)' },
  { variables: { PACKET_MARK: '0' }, message: 'invalid env var PACKET_MARK=0 (must be at least 1)' },
  { variables: { CA_ADDRESS: '::::' }, message: 'invalid uri: invalid authority\n\nCaused by:\n    invalid authority' },
  {
    variables: { CA_ADDRESS: '' },
    message: 'invalid configuration: CA_ADDRESS is empty (set it to the certificate authority)',
  },
  {
    variables: { XDS_ADDRESS: 'a b' },
    message: 'invalid uri: invalid uri character\n\nCaused by:\n    invalid uri character',
  },
  {
    variables: { PROXY_CONFIG: '- 1' },
    message:
      'error parsing proxy config: failed parsing proxy config env: invalid type: sequence, expected struct ProxyConfig',
  },
  {
    variables: { PROXY_CONFIG: 'unknownField: 1' },
    message: 'error parsing proxy config: failed parsing proxy config env: missing field `proxyMetadata`',
  },
  { variables: { 'CA_HEADER_BAD KEY': 'v' }, message: 'failed to parse header key: CA_HEADER_BAD KEY' },
  { variables: { CA_HEADER_X: 'é' }, message: 'failed to serialize metadata value' },
  {
    variables: { RUST_LOG: 'loud' },
    message: 'invalid env var RUST_LOG=loud (invalid level in `loud`, expected off, error, warn, info, debug or trace)',
  },
  {
    variables: { ZTUNNEL_TLS_RECORDS: 'none' },
    message: 'invalid env var ZTUNNEL_TLS_RECORDS=none (ZTUNNEL_TLS_RECORDS must be one of own, openssl)',
  },
  {
    variables: { ZTUNNEL_ENGINE: 'quantum' },
    message: 'invalid env var ZTUNNEL_ENGINE=quantum (ZTUNNEL_ENGINE must be one of reactor, node)',
  },
  {
    variables: { ZTUNNEL_STUCK_THREAD_TIMEOUT: '999ms' },
    message: 'invalid env var ZTUNNEL_STUCK_THREAD_TIMEOUT=999ms (must be at least 1s)',
  },
  {
    variables: { IPV6_ENABLED: '1', PACKET_MARK: 'x' },
    message:
      'invalid env var PACKET_MARK=x (invalid digit found in string); invalid env var IPV6_ENABLED=1 (provided string was not `true` or `false`)',
  },
])('refused: $message', ({ variables, message }) => {
  expect(() => parse(variables)).toThrow(expect.objectContaining({ code: 'ZTUNNEL_CONFIG_INVALID', message }));
});

test.each([
  { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'a/b/c' },
  { XDS_ADDRESS: undefined },
  { XDS_ADDRESS: 'istiod:15012' },
  { XDS_ON_DEMAND: 'true' },
])('not there yet: %j', (variables) => {
  expect(() => parse(variables)).toThrow(expect.objectContaining({ code: 'ZTUNNEL_UNSUPPORTED' }));
});

test.each([
  { variables: {}, engine: 'reactor', stuckThreadMs: 3000 },
  { variables: { ZTUNNEL_ENGINE: 'node' }, engine: 'node', stuckThreadMs: 3000 },
  {
    variables: { ZTUNNEL_ENGINE: 'reactor', ZTUNNEL_STUCK_THREAD_TIMEOUT: '10s' },
    engine: 'reactor',
    stuckThreadMs: 10_000,
  },
])('data threads: $variables', ({ variables, engine, stuckThreadMs }) => {
  expect(parse(variables)).toMatchObject({ engine, stuckThreadMs });
});

test.each([
  { seconds: undefined, deadline: undefined, ms: 5000 },
  { seconds: '30', deadline: undefined, ms: 25_000 },
  { seconds: '11', deadline: undefined, ms: 6000 },
  { seconds: '10', deadline: undefined, ms: 9000 },
  { seconds: '1', deadline: undefined, ms: 1000 },
  { seconds: '0', deadline: undefined, ms: 1000 },
  { seconds: '30', deadline: '1m30s', ms: 90_000 },
  { seconds: undefined, deadline: '10', ms: 10_000 },
])('drain: grace period $seconds, deadline $deadline: $ms ms', ({ seconds, deadline, ms }) => {
  const config = parse({ TERMINATION_GRACE_PERIOD_SECONDS: seconds, CONNECTION_TERMINATION_DEADLINE: deadline });
  expect(config.drainDeadlineMs).toBe(ms);
});

test.each([
  { cores: 8, variables: { ZTUNNEL_WORKER_THREADS: '50%' }, configured: 4, dataThreads: 4 },
  { cores: 16, variables: { ZTUNNEL_WORKER_THREADS: '30%' }, configured: 5, dataThreads: 5 },
  { cores: 4, variables: { ZTUNNEL_WORKER_THREADS: '10%' }, configured: 1, dataThreads: 1 },
  { cores: 4, variables: { ZTUNNEL_WORKER_THREADS: '0' }, configured: 4, dataThreads: 4 },
  { cores: 4, variables: { ZTUNNEL_WORKER_THREADS: 'main' }, configured: 1, dataThreads: 0 },
  { cores: 4, variables: { ZTUNNEL_RESOURCE_CPU_LIMIT: '500m' }, configured: 1, dataThreads: 1 },
  { cores: 8, variables: { ZTUNNEL_RESOURCE_CPU_LIMIT: '2500m' }, configured: 3, dataThreads: 1 },
  { cores: 32, variables: {}, configured: 8, dataThreads: 8 },
  {
    cores: 8,
    variables: { ZTUNNEL_RESOURCE_CPU_LIMIT: '4', ZTUNNEL_RESOURCE_CPU_REQUEST: '8' },
    configured: 8,
    dataThreads: 2,
  },
  { cores: 2, variables: {}, configured: 2, dataThreads: 1 },
  { cores: 2, variables: { PROXY_CONFIG: '{concurrency: 3, proxyMetadata: {}}' }, configured: 3, dataThreads: 3 },
])('§3.4: $cores cores, $variables: $configured', ({ cores, variables, configured, dataThreads }) => {
  expect(parse(variables, { cores }).threads).toEqual({ configured, dataThreads });
});

test('§3.2: ports and metadata of the mesh configuration, the environment wins', () => {
  const config = parse(
    {
      PROXY_CONFIG: '{statsPort: 16020, proxyMetadata: {A: b, ISTIO_META_C: d}}',
      ISTIO_META_C: 'env',
    },
    {
      files: {
        './etc/istio/config/mesh': 'defaultConfig: {proxyAdminPort: 16000, statsPort: 1, proxyMetadata: {A: x, Z: z}}',
      },
    },
  );
  expect(config.ports).toEqual({ admin: 16_000, stats: 16_020, readiness: 15_021 });
  expect(Object.fromEntries(config.proxyMetadata)).toEqual({ A: 'b', C: 'env', DNS_CAPTURE: 'false', Z: 'z' });
});

test('certificate authority: an existing path is a file, PEM is literal, SYSTEM the system roots', () => {
  expect(parse({ CA_ROOT_CA: '/ca.pem' }, { files: { '/ca.pem': '' } }).ca.rootCert).toEqual({
    kind: 'file',
    path: '/ca.pem',
  });
  expect(parse({ CA_ROOT_CA: 'SYSTEM' }).ca.rootCert).toEqual({ kind: 'system' });
  expect(parse({ CA_ROOT_CA: '-----BEGIN X' }).ca.rootCert.kind).toBe('literal');
  expect(parse({ AUTH_TOKEN: 'secret' }).ca.authToken).toEqual({ kind: 'literal', text: 'secret' });
  expect(parse({}).ca.authToken).toBeUndefined();
  expect(parse({ CA_ADDRESS: undefined }).ca.address).toBe('https://localhost:15012');
  expect(parse({ CA_ADDRESS: 'ca:1', CA_HEADER_X: 'y' }).ca).toMatchObject({
    address: 'https://ca:1',
    headers: [['x', 'y']],
  });
});

test('the shown configuration has no secrets and is YAML in the known layout', () => {
  const config = parse(
    { AUTH_TOKEN: 'hidden-token', CA_HEADER_KEY: 'hidden-header', NODE_NAME: 'n1' },
    { files: { '/etc/resolv.conf': 'search a.b c\nnameserver 10.0.0.1\noptions ndots:5\n' } },
  );
  const yaml = renderYaml(describeConfig(config, ['proxy', 'ztunnel']));
  expect(yaml).not.toContain('hidden');
  expect(yaml).toContain(`proxy: true
dnsProxy: false
windowSize: 4194304
`);
  expect(yaml).toContain(`adminAddr: !Localhost
- true
- 15000
statsAddr: !SocketAddr '[::]:15020'
`);
  expect(yaml).toContain(`network: ''
localNode: n1
`);
  expect(yaml).toContain(`  name_servers:
  - ip: 10.0.0.1
    trust_negative_responses: true
    connections:
    - port: 53
      protocol:
        type: udp
      bind_addr: null
`);
});

test.each([{ CONNECTION_TERMINATION_DEADLINE: '30d' }, { TERMINATION_GRACE_PERIOD_SECONDS: '4294967295' }])(
  'a drain deadline beyond the longest timer is not cut at once: %j',
  (variables) => {
    const { drainDeadlineMs } = parse(variables);
    expect(drainDeadlineMs).toBeGreaterThan(20 * 86_400_000);
    // Waits a little longer than the deadline must fit as well.
    expect(drainDeadlineMs + 60_000).toBeLessThanOrEqual(0x7fff_ffff);
  },
);

test.each(['CA_ROOT_CA', 'AUTH_TOKEN'])('%s that cannot be read is told with its name and path', (name) => {
  const all = new Map(Object.entries({ ...base, [name]: tmpdir() }));
  const read = (): unknown => parseConfig((each) => all.get(each), machineSystem([...all.keys()]));
  expect(read).toThrow(
    expect.objectContaining({ code: 'ZTUNNEL_CONFIG_INVALID', message: expect.stringContaining(`${name}=`) }),
  );
  expect(read).toThrow(/EISDIR/);
});

test.each([
  { value: undefined, path: undefined },
  { value: '', path: undefined },
  { value: '/crl/ca-crl.pem', path: '/crl/ca-crl.pem' },
])('hbone.md §9: CRL_PATH=$value is $path', ({ value, path }) => {
  const config = parse({ CRL_PATH: value });
  expect(config.crlPath).toBe(path);
  expect(renderYaml(describeConfig(config, []))).toContain(`crlPath: ${path ?? 'null'}`);
});
