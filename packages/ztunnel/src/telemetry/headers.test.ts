/** The header fields of a CONNECT and their vectors (spec hbone.md §3.2). */
import { expect, test } from 'vitest';
import { workload } from '../state/fixtures.ts';
import { parseBaggage, renderBaggage } from './baggage.ts';
import { parseForwardedHost, renderForwarded } from './forwarded.ts';
import { newTraceContext, parseTraceId, renderTraceparent } from './trace-context.ts';

const full = workload({
  name: 'n1-5c',
  clusterId: 'K1',
  namespace: 'NS1',
  workloadName: 'N1',
  canonicalName: 'N2',
  canonicalRevision: 'V1',
  locality: { region: 'R', zone: 'Z', subzone: 'S' },
});
const FULL =
  'k8s.cluster.name=K1,k8s.namespace.name=NS1,k8s.deployment.name=N1,service.name=N2,service.version=V1,cloud.region=R,cloud.availability_zone=Z';
const none = workload({ name: 'none', namespace: '', clusterId: '' });

test.each([
  { name: 'all set', of: full, want: FULL },
  { name: 'nothing known', of: none, want: '' },
  { name: 'a job', of: { ...none, workloadType: 'job', workloadName: 'j' } as const, want: 'k8s.job.name=j' },
  { name: 'a line break', of: { ...none, workloadName: 'a\r\nx: y', canonicalName: 'c' }, want: 'service.name=c' },
  { name: 'not ASCII', of: { ...none, workloadName: 'Ċ', canonicalName: 'ü' }, want: '' },
  { name: 'space at the end', of: { ...none, canonicalName: 'a ', clusterId: ' b' }, want: '' },
  { name: 'space inside', of: { ...none, canonicalName: 'a b' }, want: 'service.name=a b' },
  { name: 'too long', of: { ...none, canonicalName: 'a'.repeat(513), clusterId: 'K' }, want: 'k8s.cluster.name=K' },
])('baggage: $name', ({ of, want }) => {
  expect(renderBaggage(of)).toBe(want);
});

const empty = {
  name: '',
  namespace: '',
  cluster: '',
  workload: '',
  canonicalService: '',
  canonicalRevision: '',
  app: '',
  region: '',
  zone: '',
};

test.each<[name: string, headers: readonly string[], want: object | undefined]>([
  ['empty values are absent', ['k8s.cluster.name=,service.name='], undefined],
  ['no header', [], undefined],
  [
    'all, in one',
    [FULL],
    {
      name: 'N2',
      namespace: 'NS1',
      cluster: 'K1',
      workload: 'N1',
      canonicalService: 'N2',
      canonicalRevision: 'V1',
      app: 'N1',
      region: 'R',
      zone: 'Z',
    },
  ],
  [
    'five headers are merged',
    ['k8s.cluster.name=K1', 'k8s.namespace.name=NS1', 'k8s.deployment.name=N1', 'service.version=V1', 'cloud.region=R'],
    { ...empty, cluster: 'K1', namespace: 'NS1', workload: 'N1', app: 'N1', canonicalRevision: 'V1', region: 'R' },
  ],
  ['the later wins', ['cloud.region=a,cloud.region=b'], { ...empty, region: 'b' }],
  ['cut off at a second =', ['cloud.region=a=b'], { ...empty, region: 'a' }],
  ['no trimming', ['k8s.cluster.name=K, cloud.region=R'], { ...empty, cluster: 'K' }],
  ['no decoding', ['cloud.region=%41'], { ...empty, region: '%41' }],
  ['unknown keys', ['x=y,cloud.availability_zone=Z'], { ...empty, zone: 'Z' }],
  ['not ASCII: all of it is absent', ['cloud.region=R', 'x=\u00fc'], undefined],
])('baggage of a peer: %s', (_, headers, want) => {
  expect(parseBaggage(headers)).toEqual(want);
});

test.each([
  { header: 'by=identifier;for=identifier;host="example.com";proto=https', host: 'example.com' },
  { header: 'by=identifier;for=identifier;host=;proto=https', host: undefined },
  { header: 'by=identifier;for=identifier;proto=https', host: undefined },
  { header: 'for=\u00fc;host=example.com', host: undefined },
  { header: 'for=a; host=example.com', host: 'example.com' },
  { header: '', host: undefined },
])('forwarded of a peer: $header', ({ header, host }) => {
  expect(parseForwardedHost(header)).toBe(host);
});

test.each([
  { ip: '127.0.0.1', host: undefined, want: 'for="127.0.0.1:80"' },
  { ip: '::1', host: undefined, want: 'for="[::1]:80"' },
  { ip: '127.0.0.1', host: 'example.com', want: 'for="127.0.0.1:80";host=example.com' },
  { ip: '127.0.0.1', host: 'example.com\n', want: 'for="127.0.0.1:80"' },
])('forwarded: $want', ({ ip, host, want }) => {
  expect(renderForwarded({ ip, port: 80 }, host)).toBe(want);
});

test('traceparent: lower-case hexadecimal digits, never the same', () => {
  const made = Array.from({ length: 500 }, () => renderTraceparent(newTraceContext()));
  for (const text of made) expect(text).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-00$/);
  expect(new Set(made).size).toBe(made.length);
});

test.each([
  { header: `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`, id: 'a1'.repeat(16) },
  { header: `00-${'A1'.repeat(16)}-${'b2'.repeat(8)}-01`, id: undefined },
  { header: `00-${'a1'.repeat(15)}-${'b2'.repeat(8)}-01`, id: undefined },
  { header: `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01\n`, id: undefined },
  { header: '', id: undefined },
])('traceparent $header: id $id', ({ header, id }) => {
  expect(parseTraceId(header)).toBe(id);
});

test('the id of a traceparent of ours is the one that it was made of', () => {
  const trace = newTraceContext();
  expect(parseTraceId(renderTraceparent(trace))).toBe(trace.traceId);
});
