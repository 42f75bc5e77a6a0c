import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TrafficSecrets } from './traffic-secrets.ts';

const RANDOM = '11'.repeat(32);
const line = (label: string, secret: string): Uint8Array => Buffer.from(`${label} ${RANDOM} ${secret}`);
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex');

function taken(...lines: readonly Uint8Array[]): readonly (string | undefined)[] {
  const secrets = new TrafficSecrets();
  for (const one of lines) secrets.take(one);
  return [text(secrets.client), text(secrets.server)];
}

test.each([
  { what: 'nothing', lines: [], secrets: [undefined, undefined] },
  { what: 'the client’s', lines: [line('CLIENT_TRAFFIC_SECRET_0', '00ff7a')], secrets: ['00ff7a', undefined] },
  { what: 'the server’s', lines: [line('SERVER_TRAFFIC_SECRET_0', 'abCDef')], secrets: [undefined, 'abcdef'] },
  {
    what: 'those of a handshake, in OpenSSL’s order',
    lines: [
      line('SERVER_HANDSHAKE_TRAFFIC_SECRET', '01'),
      line('CLIENT_HANDSHAKE_TRAFFIC_SECRET', '02'),
      line('EXPORTER_SECRET', '03'),
      line('SERVER_TRAFFIC_SECRET_0', '04'),
      line('CLIENT_TRAFFIC_SECRET_0', '05'),
    ],
    secrets: ['05', '04'],
  },
  { what: 'another label', lines: [line('CLIENT_TRAFFIC_SECRET_1', '01')], secrets: [undefined, undefined] },
  { what: 'no line at all', lines: [Buffer.from('CLIENT_TRAFFIC_SECRET_0')], secrets: [undefined, undefined] },
])('$what', ({ lines, secrets }) => {
  expect(taken(...lines)).toEqual(secrets);
});

test('any secret', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (secret, upper) => {
      const digits = Buffer.from(secret).toString('hex');
      const [client] = taken(line('CLIENT_TRAFFIC_SECRET_0', upper ? digits.toUpperCase() : digits));
      expect(client).toBe(digits);
    }),
  );
});

test('any line, and nothing is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(taken(bytes)).toHaveLength(2);
    }),
  );
});

test('`wipe` leaves nothing of them', () => {
  const secrets = new TrafficSecrets();
  secrets.take(line('CLIENT_TRAFFIC_SECRET_0', '0102'));
  const { client } = secrets;
  secrets.wipe();
  expect([text(client), secrets.client, secrets.server]).toEqual(['0000', undefined, undefined]);
});
