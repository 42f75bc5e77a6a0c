import { expect, test } from 'vitest';
import type { Connection } from '../policy.ts';
import { parseIpAddress } from './ip-address.ts';
import { isPossibleIdentity, readSubject } from './subject.ts';

const identity = { trustDomain: 'td', namespace: 'ns', serviceAccount: 'sa' };
const connection: Connection = { identity, sourceIp: '10.0.0.1', destinationIp: 'fd00::2', destinationPort: 80 };

test('a connection as conditions compare it', () => {
  expect(readSubject(connection)).toMatchObject({
    identity,
    namespace: 'ns',
    principal: 'td/ns/ns/sa/sa',
    sourceIp: parseIpAddress('10.0.0.1'),
    destinationIp: parseIpAddress('fd00::2'),
    destinationPort: 80,
  });
});

test('the beginnings of its texts', () => {
  const { namespaceParts, principalParts } = readSubject(connection);
  expect([namespaceParts.first(1), principalParts?.first(4)]).toEqual(['n', 'td/n']);
  const plain = readSubject({ ...connection, identity: undefined });
  expect([plain.namespaceParts.first(0), plain.namespaceParts.first(1)]).toEqual(['', undefined]);
  expect(plain.principalParts).toBeUndefined();
});

test('null, as JSON has it, is no identity', () => {
  const plain: Connection = JSON.parse(JSON.stringify({ ...connection, identity: null }));
  expect(readSubject(plain)).toEqual(readSubject({ ...connection, identity: undefined }));
});

test.each(['trustDomain', 'namespace', 'serviceAccount'])('refuses an identity without %s', (part) => {
  const partial: Connection = JSON.parse(
    JSON.stringify({ ...connection, identity: { ...identity, [part]: undefined } }),
  );
  expect(() => readSubject(partial)).toThrow(
    expect.objectContaining({ code: 'POLICY_CONNECTION_INVALID', message: `identity without ${part}: want text` }),
  );
});

// As text, a/ns/b of c and a of b/ns/c would be one and the same.
test.each(['trustDomain', 'namespace', 'serviceAccount'])('refuses an identity with a slash in its %s', (part) => {
  const impossible = { ...identity, [part]: 'b/ns/c' };
  expect([isPossibleIdentity(identity), isPossibleIdentity(impossible)]).toEqual([true, false]);
  expect(() => readSubject({ ...connection, identity: impossible })).toThrow(
    expect.objectContaining({
      code: 'POLICY_CONNECTION_INVALID',
      message: `identity with ${part} "b/ns/c": want text without a slash`,
    }),
  );
});

test('an identity may have empty parts, as those of certificates may', () => {
  const empty = { trustDomain: '', namespace: '', serviceAccount: '' };
  expect(readSubject({ ...connection, identity: empty }).principal).toBe('/ns//sa/');
});

test('without an identity the namespace is empty, and there is no principal', () => {
  const subject = readSubject({ ...connection, identity: undefined });
  expect(subject).toMatchObject({ identity: undefined, namespace: '', principal: undefined });
});

test.each([
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::1', '::1'],
  ['fe80::1%eth0', 'fe80::1'],
])('address %s is compared as %s', (address, expected) => {
  const subject = readSubject({ ...connection, sourceIp: address, destinationIp: address });
  expect(subject.sourceIp).toEqual(parseIpAddress(expected));
  expect(subject.destinationIp).toEqual(parseIpAddress(expected));
});

test.each([0, 65_535])('%j is a port', (destinationPort) => {
  expect(readSubject({ ...connection, destinationPort }).destinationPort).toBe(destinationPort);
});

test.each<[Partial<Connection>, string]>([
  [{ sourceIp: 'localhost' }, 'source address "localhost": want IPv4 or IPv6'],
  [JSON.parse('{"sourceIp":null}'), 'source address null: want IPv4 or IPv6'],
  [{ destinationIp: '' }, 'destination address "": want IPv4 or IPv6'],
  [{ destinationIp: '%eth0' }, 'destination address "%eth0": want IPv4 or IPv6'],
  [{ destinationPort: -1 }, 'destination port -1: want a whole number from 0 to 65535'],
  [{ destinationPort: 65_536 }, 'destination port 65536: want a whole number from 0 to 65535'],
  [{ destinationPort: 1.5 }, 'destination port 1.5: want a whole number from 0 to 65535'],
  [{ destinationPort: Number.NaN }, 'destination port NaN: want a whole number from 0 to 65535'],
])('refuses %j', (over, message) => {
  expect(() => readSubject({ ...connection, ...over })).toThrow(
    expect.objectContaining({ name: 'PolicyError', code: 'POLICY_CONNECTION_INVALID', message }),
  );
});

test.each(['null', '"text"', '7'])('refuses %s as a connection', (text) => {
  const none: Connection = JSON.parse(text);
  expect(() => readSubject(none)).toThrow(
    expect.objectContaining({
      code: 'POLICY_CONNECTION_INVALID',
      message: `connection ${text}: want an object`,
    }),
  );
});
