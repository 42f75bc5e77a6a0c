/** Who is expected, and how refusals are told. */

import { sign } from 'node:crypto';
import { isRefusal, parseSpiffeId, type Refusal, verifyPeer } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import { der, sequence } from './testing/der.ts';
import { DAY, ECDSA_SHA256, forgeLeaf, ID, NOW, purposes, san } from './testing/forge.ts';

import {
  answer,
  ask,
  bundle,
  good,
  leafBy,
  leafWith,
  type Question,
  root,
  stranger,
  unrelated,
} from './testing/questions.ts';

const OTHER = 'spiffe://other/ns/default/sa/b';
const NEW_TD = 'spiffe://new-td/ns/default/sa/c';

test.each([
  { name: 'own trust domain', uris: [ID], expect: { trustDomain: 'td' }, want: 'a' },
  { name: 'own trust domain second', uris: [OTHER, ID], expect: { trustDomain: 'td' }, want: 'b' },
  { name: 'foreign trust domain', uris: [OTHER], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'no alias by default', uris: [NEW_TD], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'alias', uris: [NEW_TD], expect: { trustDomain: 'td', aliases: ['x', 'new-td'] }, want: 'c' },
  {
    name: 'no alias of it',
    uris: [OTHER],
    expect: { trustDomain: 'td', aliases: ['new-td'] },
    want: 'SPIFFE_PEER_TRUST_DOMAIN',
  },
  {
    name: 'aliases are exact',
    uris: [NEW_TD],
    expect: { trustDomain: 'td', aliases: ['NEW-TD', 'new', '*'] },
    want: 'SPIFFE_PEER_TRUST_DOMAIN',
  },
  { name: 'no SPIFFE ID', uris: ['https://td/'], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'trailing slash', uris: [`${ID}/`], expect: { trustDomain: 'td' }, want: 'SPIFFE_PEER_TRUST_DOMAIN' },
  { name: 'expected', uris: [ID], expect: { identities: ids(OTHER, ID) }, want: 'a' },
  { name: 'second is expected', uris: [OTHER, ID], expect: { identities: ids(ID) }, want: 'b' },
  { name: 'not expected', uris: [ID], expect: { identities: ids(OTHER) }, want: 'SPIFFE_PEER_SAN' },
  { name: 'nobody expected', uris: [ID], expect: { identities: [] }, want: 'SPIFFE_PEER_SAN' },
  { name: 'anyone', uris: ['https://td/'], expect: 'anyone' as const, want: 'nobody' },
])('1.3, 1.4 expectation: $name', ({ uris, expect: wanted, want }) => {
  const chain = [forgeLeaf({ by: root, uris }).der];
  const result = verifyPeer({ chain, roots: bundle, usage: 'client', nowEpochMs: NOW, expect: wanted });
  expect(isRefusal(result) ? result.code : (result.identity?.serviceAccount ?? 'nobody')).toBe(want);
});

function ids(...uris: string[]) {
  return uris.map((uri) => parseSpiffeId(uri)).filter((id) => id !== undefined);
}

const T = NOW / 1000;

test.each<{ name: string; question: Question; alert: number; text: string }>([
  { name: 'no client certificate', question: { chain: [] }, alert: 116, text: 'NoCertificatesPresented' },
  { name: 'other CA', question: { chain: [leafBy(unrelated)] }, alert: 48, text: 'UnknownIssuer' },
  {
    name: 'expired',
    question: { chain: [good], at: NOW + 2 * DAY },
    alert: 45,
    text: `ExpiredContext { time: UnixTime(${T + 172_800}), not_after: UnixTime(${T + 86_400}) }`,
  },
  {
    name: 'not valid yet',
    question: { chain: [good], at: NOW - 2 * DAY },
    alert: 45,
    text: `NotValidYetContext { time: UnixTime(${T - 172_800}), not_before: UnixTime(${T - 86_400}) }`,
  },
  {
    name: 'EKU without clientAuth',
    question: leafWith(purposes(1), san(ID)),
    alert: 43,
    text: 'InvalidPurposeContext { required: ClientAuth, presented: [ServerAuth] }',
  },
  { name: 'bad signature', question: { chain: [leafBy(stranger)] }, alert: 51, text: 'BadSignature' },
  { name: 'malformed', question: { chain: [{ ...good, der: Buffer.from('x') }] }, alert: 42, text: 'BadEncoding' },
])('4 alert and text of the reference: $name', ({ question, alert, text }) => {
  const result = ask(question);
  expect(isRefusal(result) && { alert: result.alert, text: result.certificateError }).toEqual({ alert, text });
});

test('4 other trust domain: the identities are named as the reference does', () => {
  const chain = [forgeLeaf({ by: root, uris: [OTHER] }).der];
  const roots = bundle;
  const result = verifyPeer({ chain, roots, usage: 'client', nowEpochMs: NOW, expect: { trustDomain: 'td' } });
  const debug = 'Spiffe { trust_domain: "other", namespace: "default", service_account: "b" }';
  expect(result).toMatchObject({
    alert: 46,
    certificateError: `Other(OtherError(SanTrustDomainError("td", [${debug}])))`,
    presented: ids(OTHER),
  } satisfies Partial<Refusal>);
});

test('a bit string with unused bits is no signature', () => {
  const certificate = forgeLeaf({ by: root });
  const [body, signature] = [certificate.der.subarray(4), sign('sha256', Buffer.from('x'), root.keys.privateKey)];
  const length = 4 + body.readUInt16BE(2);
  const odd = sequence(body.subarray(0, length), ECDSA_SHA256.algorithm, der(0x03, Buffer.from([1]), signature));
  expect(answer({ chain: [{ ...certificate, der: odd }] })).toBe('SPIFFE_PEER_MALFORMED');
});

test('of many names eight are told', () => {
  const many = Array.from({ length: 300 }, (_, i) => `spiffe://other/ns/default/sa/${i}`);
  const chain = [forgeLeaf({ by: root, uris: many }).der];
  const asked = { chain, roots: bundle, usage: 'client', nowEpochMs: NOW } as const;
  for (const expectation of [{ trustDomain: 'td' }, { identities: ids(ID) }]) {
    const result = verifyPeer({ ...asked, expect: expectation });
    expect(result).toMatchObject({ certificateError: expect.stringContaining('and 292 more') });
    expect(isRefusal(result) && result.certificateError.length).toBeLessThan(1000);
  }
  const arcs = Array.from({ length: 900 }, (_, i) => i + 100);
  const result = ask(leafWith(purposes(...arcs), san(ID)));
  expect(result).toMatchObject({ code: 'SPIFFE_PEER_PURPOSE', certificateError: expect.stringContaining('892 more') });
});
