import { expect, test } from 'vitest';
import { parseLogFilter } from '../log/log-filter.ts';
import { parseConfig } from './config/parse-config.ts';
import { dataPlaneConfig, logLevels } from './data-plane-config.ts';

function parse(variables: Readonly<Record<string, string>>) {
  const all = new Map(Object.entries({ XDS_ADDRESS: '', CA_ADDRESS: 'https://ca:15012', ...variables }));
  const system = { environmentNames: [...all.keys()], cores: 2, readFile: () => undefined };
  return parseConfig((name) => all.get(name), system);
}

function derive(variables: Readonly<Record<string, string>>, maxDescriptors = 1024) {
  return dataPlaneConfig(parse(variables), maxDescriptors);
}

test('tcp(7): keep-alive stays within what the kernel takes, or every connection would fail', () => {
  const { keepAlive, userTimeoutMs } = derive({
    KEEPALIVE_TIME: '24h',
    KEEPALIVE_INTERVAL: '0',
    KEEPALIVE_RETRIES: '1000',
    USER_TIMEOUT_ENABLED: 'true',
  });
  expect(keepAlive).toEqual({ idleSeconds: 32_767, intervalSeconds: 1, count: 127 });
  expect(userTimeoutMs).toBe(86_400_000);
  expect(derive({ KEEPALIVE_TIME: '100d', USER_TIMEOUT_ENABLED: 'true' }).userTimeoutMs).toBe(0x7fff_ffff);
});

// RFC 9113 §6.5.2, §6.9.1. The codec refuses other values, at the first connection and with an exception.
test.each([
  { variables: { HTTP2_FRAME_SIZE: '1' }, tunnels: { maxFrame: 16_384 } },
  { variables: { HTTP2_FRAME_SIZE: '4294967295' }, tunnels: { maxFrame: 16_777_215 } },
  { variables: { HTTP2_STREAM_WINDOW_SIZE: '4294967295' }, tunnels: { streamWindow: 0x7fff_ffff } },
  { variables: { HTTP2_CONNECTION_WINDOW_SIZE: '1' }, tunnels: { connectionWindow: 65_535 } },
  { variables: { POOL_MAX_STREAMS_PER_CONNECTION: '0' }, tunnels: { poolMaxStreams: 1 } },
])('$variables is kept within HTTP/2: $tunnels', ({ variables, tunnels }) => {
  expect(derive(variables)).toMatchObject(tunnels);
});

test.each([
  { variables: {}, settings: { policyLog: 'off', policyCutLog: true, unknownPolicy: 'deny' } },
  { variables: { RUST_LOG: 'error' }, settings: { policyCutLog: false } },
  { variables: { RUST_LOG: 'warn,proxy=info' }, settings: { policyCutLog: true } },
  { variables: { RUST_LOG: 'debug' }, settings: { policyLog: 'debug' } },
  { variables: { RUST_LOG: 'state=debug' }, settings: { policyLog: 'debug' } },
  { variables: { AUTHZ_POLICY_INFO_LOGGING: 'true' }, settings: { policyLog: 'info' } },
  { variables: { AUTHZ_POLICY_INFO_LOGGING: 'true', RUST_LOG: 'debug' }, settings: { policyLog: 'info' } },
  { variables: { AUTHZ_POLICY_INFO_LOGGING: 'true', RUST_LOG: 'warn' }, settings: { policyLog: 'off' } },
  { variables: { AUTHZ_POLICY_INFO_LOGGING: '1' }, settings: { policyLog: 'off' } },
  { variables: { ZTUNNEL_UNKNOWN_POLICY: 'deny' }, settings: { unknownPolicy: 'deny' } },
  { variables: { ZTUNNEL_UNKNOWN_POLICY: 'skip' }, settings: { unknownPolicy: 'skip' } },
])('spec policy.md §3, §4.4: with $variables $settings', ({ variables, settings }) => {
  expect(derive(variables)).toMatchObject(settings);
});

test('ZTUNNEL_UNKNOWN_POLICY is one of two', () => {
  expect(() => derive({ ZTUNNEL_UNKNOWN_POLICY: 'allow' })).toThrow(
    'invalid env var ZTUNNEL_UNKNOWN_POLICY=allow (ZTUNNEL_UNKNOWN_POLICY must be one of deny, skip)',
  );
});

test.each([
  { max: 1_048_576, descriptorLimits: { accepted: 1_048_448, dialled: 1_048_512 } },
  { max: 256, descriptorLimits: { accepted: 192, dialled: 224 } },
])('of $max descriptors some are left for the rest of the process: $descriptorLimits', ({ max, descriptorLimits }) => {
  expect(derive({}, max)).toMatchObject({ descriptorLimits });
});

test('ZTUNNEL_UNSENT_BYTES', () => {
  expect(derive({}).unsentBytes).toBe(268_435_456);
  expect(derive({ ZTUNNEL_UNSENT_BYTES: '16777216' }).unsentBytes).toBe(16_777_216);
  expect(() => derive({ ZTUNNEL_UNSENT_BYTES: '4096' })).toThrow('must be at least 1048576');
});

test('ZTUNNEL_TLS_RECORDS', () => {
  expect(derive({}).tlsRecords).toBe('own');
  for (const records of ['own', 'openssl'])
    expect(derive({ ZTUNNEL_TLS_RECORDS: records })).toMatchObject({ tlsRecords: records });
});

test('a time beyond the longest timer (24 days) is that timer, not none', () => {
  expect(derive({ POOL_UNUSED_RELEASE_TIMEOUT: '30d' }).poolIdleMs).toBeLessThanOrEqual(0x7fff_ffff);
});

test('the levels follow a filter that is set while the process runs', () => {
  const filter = parseLogFilter('warn,state=debug,access=debug');
  if (typeof filter === 'string') throw new TypeError(filter);
  expect(logLevels(parse({ RUST_LOG: 'error' }), filter)).toEqual({
    accessLog: { info: true, debug: true },
    policyLog: 'debug',
    policyCutLog: false,
  });
});
