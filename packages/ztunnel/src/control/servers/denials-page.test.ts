import { type Connection, compile, type Policy } from '@ambientmesh/policy';
import { expect, test } from 'vitest';
import type { Denial } from '../../data-plane/protocol.ts';
import { denialsPage } from './denials-page.ts';
import type { Answer } from './http-listener.ts';

const policy: Policy = {
  name: 'only-sleep',
  namespace: 'default',
  scope: 'Namespace',
  action: 'Allow',
  dryRun: false,
  rules: [[[{ principals: [{ kind: 'exact', value: 'td/ns/default/sa/sleep' }] }]]],
};
/** Of threads that have all answered. */
function pageOf(url: URL, found: readonly Denial[]): Answer {
  return denialsPage(url, { found, silent: [] });
}

const connection: Connection = {
  identity: { trustDomain: 'td', namespace: 'default', serviceAccount: 'notsleep' },
  sourceIp: '10.0.0.1',
  destinationIp: 'fd00::2',
  destinationPort: 8000,
};
const explained: Denial = {
  kind: 'refused',
  pod: { namespace: 'default', name: 'httpbin', serviceAccount: 'httpbin' },
  connection,
  reason: 'allow policies exist, but none allowed',
  count: 12,
  firstEpochMs: 0,
  lastEpochMs: 61_000.5,
  explanation: compile([policy]).explain(connection, { namespace: 'default', authorizationPolicies: [] }),
  explainedEpochMs: 61_000.5,
  unexplained: undefined,
};
const plain: Denial = {
  ...explained,
  kind: 'cut',
  connection: { ...connection, identity: undefined },
  count: 1,
  explanation: undefined,
  explainedEpochMs: undefined,
};

test('each with its explanation, for a terminal', () => {
  const { body, contentType } = pageOf(new URL('http://x/'), [explained, plain]);
  expect(contentType).toBe('text/plain; charset=utf-8');
  const [first = '', second = ''] = String(body).split(/\n(?=1970)/);
  expect(first).toMatch(
    /^1970-01-01T00:01:01.000Z default\/httpbin: refused, 12 times since 1970-01-01T00:00:00.000Z\n {2}DENIED td\/ns\/default\/sa\/notsleep \(10\.0\.0\.1\)/,
  );
  expect(first).toContain('wanted td/ns/default/sa/sleep');
  expect(second).toBe(`1970-01-01T00:01:01.000Z default/httpbin: cut by a change of policies
  plain text from 10.0.0.1 -> [fd00::2]:8000: allow policies exist, but none allowed
  (not explained: too many others were denied at that time)
`);
});

test('of many the first are shown, and how many there are', () => {
  const many = Array.from({ length: 101 }, () => plain);
  const page = (query: string): string => String(pageOf(new URL(`http://x/?${query}`), many).body);
  expect(page('')).toMatch(/\n\n100 of 101 denials shown: narrow with \?pod=N\/P, or raise \?limit=N\n$/);
  expect(page('limit=101')).not.toContain('shown');
  expect(JSON.parse(page('limit=2&format=json'))).toMatchObject({ denialCount: 101, denials: { length: 2 } });
  for (const limit of ['0', '-1', '1.5', 'x', '100001'])
    expect(pageOf(new URL(`http://x/?limit=${limit}`), many)).toMatchObject({ status: 400 });
});

test.each([
  { ageMs: 60_000, unexplained: undefined, told: undefined },
  { ageMs: 60_001, unexplained: undefined, told: '(explained as of 1970-01-01T00:00:00.999Z)' },
  {
    ageMs: 1,
    unexplained: 'too many rules',
    told: '(explained as of 1970-01-01T00:01:00.999Z; not explained since: too many rules)',
  },
])('an explanation $ageMs ms older than the last denial: $told', ({ ageMs, unexplained, told }) => {
  const denial = { ...explained, lastEpochMs: 61_000, explainedEpochMs: 61_000 - ageMs, unexplained };
  const [, line = ''] = String(pageOf(new URL('http://x/'), [denial]).body).split('\n');
  if (told === undefined) expect(line).toMatch(/^ {2}DENIED/);
  else expect(line).toBe(`  ${told}`);
});

test('as data', () => {
  const { body } = pageOf(new URL('http://x/?format=json'), [explained, plain]);
  expect(JSON.parse(String(body))).toMatchObject({
    denials: [
      {
        kind: 'refused',
        pod: { name: 'httpbin' },
        connection: { principal: 'td/ns/default/sa/notsleep', destinationPort: 8000 },
        count: 12,
        first: '1970-01-01T00:00:00.000Z',
        last: '1970-01-01T00:01:01.000Z',
        explanation: { nearest: { policy: 'default/only-sleep', rule: 0 } },
        text: expect.stringContaining('default/httpbin: refused, 12 times'),
      },
      { kind: 'cut', connection: { principal: null }, explanation: null },
    ],
  });
});

test.each([
  { pod: 'default/httpbin', denials: 2 },
  { pod: 'default/other', denials: 0 },
])('of the pod $pod', ({ pod, denials }) => {
  const page = (format: string): string =>
    String(pageOf(new URL(`http://x/?pod=${pod}&format=${format}`), [explained, plain]).body);
  expect(JSON.parse(page('json'))).toMatchObject({ denials: { length: denials } });
  if (denials === 0) expect(page('text')).toBe('no connection to default/other has been denied\n');
});

test.each([
  {
    silent: [0],
    found: [],
    text: /^data thread 0 does not answer: [^\n]*\nno connection has been denied by a data thread that/,
  },
  {
    silent: [1],
    found: [plain],
    text: /^data thread 1 does not answer: [^\n]*\n1970-01-01T[^\n]* default\/httpbin: cut/,
  },
])('data threads $silent do not answer: theirs are said to be missing, with 503', ({ silent, found, text }) => {
  const listed = { found, silent };
  expect(denialsPage(new URL('http://x/'), listed)).toMatchObject({ status: 503, body: expect.stringMatching(text) });
  const { status, body } = denialsPage(new URL('http://x/?format=json'), listed);
  expect(status).toBe(503);
  expect(JSON.parse(String(body))).toMatchObject({ silentDataThreads: silent, denialCount: found.length });
  expect(denialsPage(new URL('http://x/?format=xml'), listed).status).toBe(400);
});
