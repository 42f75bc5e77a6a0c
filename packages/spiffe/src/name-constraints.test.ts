import { expect, test } from 'vitest';
import { der, integer, oid, sequence } from './testing/der.ts';
import {
  authority,
  extension,
  type Forged,
  forgeAuthority,
  forgeLeaf,
  ID,
  notAuthority,
  san,
} from './testing/forge.ts';
import { answer, root } from './testing/questions.ts';

const uri = (host: string): Buffer => sequence(der(0x86, Buffer.from(host)));
const dns = sequence(der(0x82, Buffer.from('.corp')));
const directory = sequence(der(0xa4, sequence()));
const mailbox = sequence(der(0x81, Buffer.from('td')));
const mailSubject = sequence(der(0x31, sequence(oid('1.2.840.113549.1.9.1'), der(0x16, Buffer.from('a@b')))));
const permitted = (...subtrees: Buffer[]): Buffer => der(0xa0, ...subtrees);
const excluded = (...subtrees: Buffer[]): Buffer => der(0xa1, ...subtrees);

const nameless = (by: Forged, ...names: Buffer[]): Forged =>
  forgeLeaf({ by, subject: sequence(), extensions: [notAuthority(), ...names] });
const sanOf = (...names: Buffer[]): Buffer => extension('2.5.29.17', sequence(...names));

test.each([
  { name: 'DNS only', constraints: [permitted(dns)], want: 'a' },
  { name: 'DNS and directory, of a leaf without subject', constraints: [permitted(dns, directory)], want: 'a' },
  { name: 'URI of the trust domain', constraints: [permitted(uri('td'))], want: 'a' },
  { name: 'URI of the trust domain in capitals', constraints: [permitted(uri('TD'))], want: 'a' },
  { name: 'one of several URIs', constraints: [permitted(uri('other'), uri('td'))], want: 'a' },
  { name: 'another URI excluded', constraints: [excluded(uri('other'))], want: 'a' },
  { name: 'URI of another domain', constraints: [permitted(uri('other'))], want: 'refused' },
  { name: 'URI below the trust domain', constraints: [permitted(uri('.td'))], want: 'refused' },
  { name: 'no URI', constraints: [permitted(uri(''))], want: 'refused' },
  { name: 'excluded trust domain', constraints: [permitted(uri('td')), excluded(uri('td'))], want: 'refused' },
  { name: 'all URIs excluded', constraints: [excluded(uri(''))], want: 'refused' },
  {
    name: 'URI with a minimum',
    constraints: [permitted(sequence(uri('td').subarray(2), integer(0)))],
    want: 'refused',
  },
  { name: 'malformed', constraints: [sequence()], want: 'MALFORMED' },
])('RFC 5280 4.2.1.10: $name: $want', ({ constraints, want }) => {
  const by = forgeAuthority({ name: 'by', by: root, extensions: [authority(), constrained(constraints)] });
  const got = answer({ chain: [nameless(by, san(ID)), by] });
  expect(got.replace('SPIFFE_PEER_NAME_CONSTRAINTS', 'refused').replace('SPIFFE_PEER_', '')).toBe(want);
});

function constrained(parts: readonly Buffer[]): Buffer {
  return extension('2.5.29.30', sequence(...parts), true);
}

test('RFC 5280 4.2.1.10: below a domain', () => {
  const by = forgeAuthority({ name: 'by', by: root, extensions: [authority(), constrained([permitted(uri('.td'))])] });
  expect(answer({ chain: [nameless(by, san('spiffe://x.td/ns/n/sa/a')), by] })).toBe('a');
  expect(answer({ chain: [nameless(by, san('spiffe://xtd/ns/n/sa/a')), by] })).toBe('SPIFFE_PEER_NAME_CONSTRAINTS');
  expect(answer({ chain: [nameless(by, san('spiffe://x.td:1/ns/n/sa/a')), by] })).toBe('SPIFFE_PEER_NAME_CONSTRAINTS');
});

test('RFC 5280 4.2.1.10: names of the kinds that are constrained', () => {
  const by = forgeAuthority({
    name: 'by',
    by: root,
    extensions: [authority(), constrained([permitted(dns, directory)])],
  });
  const REFUSED = 'SPIFFE_PEER_NAME_CONSTRAINTS';
  expect(answer({ chain: [nameless(by, sanOf(der(0x86, Buffer.from(ID)), der(0x82, Buffer.from('x')))), by] })).toBe(
    REFUSED,
  );
  expect(answer({ chain: [forgeLeaf({ by }), by] })).toBe(REFUSED);
  const mail = forgeAuthority({ name: 'm', by: root, extensions: [authority(), constrained([permitted(mailbox)])] });
  expect(answer({ chain: [forgeLeaf({ by: mail }), mail] })).toBe('a');
  expect(answer({ chain: [forgeLeaf({ by: mail, subject: mailSubject }), mail] })).toBe(REFUSED);
  const between = forgeAuthority({ name: 'between', by });
  expect(answer({ chain: [nameless(between, san(ID)), between, by] })).toBe(REFUSED);
});

test('RFC 5280 4.2.1.10: constraints of a root, and self-issued authorities', () => {
  const top = forgeAuthority({ name: 'top', extensions: [authority(), constrained([permitted(directory)])] });
  const next = forgeAuthority({ name: 'top', by: top, extensions: [authority()] });
  expect(answer({ chain: [nameless(next, san(ID)), next], roots: [top] })).toBe('a');
  expect(answer({ chain: [forgeLeaf({ by: next }), next], roots: [top] })).toBe('SPIFFE_PEER_NAME_CONSTRAINTS');
});
