import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { CredentialsSource } from '../engine.ts';

const DAY_MS = 86_400_000;
/** Tags of ITU-T X.690. */
const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OID: 0x06,
  UTF8_STRING: 0x0c,
  SEQUENCE: 0x30,
  SET: 0x31,
  UTC_TIME: 0x17,
  URI_NAME: 0x86,
  EXPLICIT_0: 0xa0,
  EXPLICIT_3: 0xa3,
} as const;
/** Contents of object identifiers: RFC 5758 3.2, X.520, RFC 5280 4.2.1. */
const Oid = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
} as const;
const SHORT_LENGTH = 0x80;

/** Issues certificates. */
export interface ThrowAwayAuthority {
  /** A certificate with this URI (`spiffe://…`) as its name, for a client or a server, and the root that it is under. */
  issue(uri: string): CredentialsSource;
}

/** Who signs certificates. */
interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
}

/**
 * An authority for trying things out: ECDSA P-256, good for a day, its keys forgotten with it. Trust nothing of it elsewhere.
 * `intermediates`: how many stand between the root and what is issued; none by default.
 */
export function createThrowAwayAuthority({ intermediates = 0 } = {}): ThrowAwayAuthority {
  const basicConstraints = extension(Oid.basicConstraints, der(Tag.SEQUENCE, der(Tag.BOOLEAN, Buffer.of(0xff))));
  const root = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let issuer: Issuer = { name: 'throw-away root', key: root.privateKey };
  const rootPem = certificatePem(issuer.name, root.publicKey, issuer, basicConstraints);
  const chain: string[] = [];
  for (let depth = 1; depth <= intermediates; depth++) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const subject = `throw-away intermediate ${depth}`;
    chain.unshift(certificatePem(subject, publicKey, issuer, basicConstraints));
    issuer = { name: subject, key: privateKey };
  }
  return {
    issue: (uri) => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = extension(Oid.subjectAltName, der(Tag.SEQUENCE, der(Tag.URI_NAME, Buffer.from(uri, 'latin1'))));
      return {
        chainPem: [certificatePem('throw-away leaf', publicKey, issuer, names), ...chain].join(''),
        privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        rootsPem: [rootPem],
      };
    },
  };
}

/** RFC 5280 4.1 */
function certificatePem(subject: string, key: KeyObject, issuer: Issuer, extensions: Buffer): string {
  const algorithm = der(Tag.SEQUENCE, oid(Oid.ecdsaWithSha256));
  const now = Date.now();
  // Positive and without a leading zero octet.
  const serial = randomBytes(16);
  serial[0] = 0x40 | (serial[0]! & 0x3f);
  const body = der(
    Tag.SEQUENCE,
    der(Tag.EXPLICIT_0, der(Tag.INTEGER, Buffer.of(2))),
    der(Tag.INTEGER, serial),
    algorithm,
    name(issuer.name),
    der(Tag.SEQUENCE, utcTime(now - DAY_MS), utcTime(now + DAY_MS)),
    name(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(Tag.EXPLICIT_3, der(Tag.SEQUENCE, extensions)),
  );
  const signature = der(Tag.BIT_STRING, Buffer.of(0), sign('sha256', body, issuer.key));
  const certificate = der(Tag.SEQUENCE, body, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

function extension(id: string, value: Buffer): Buffer {
  return der(Tag.SEQUENCE, oid(id), der(Tag.BOOLEAN, Buffer.of(0xff)), der(Tag.OCTET_STRING, value));
}

function name(text: string): Buffer {
  const attribute = der(Tag.SEQUENCE, oid(Oid.commonName), der(Tag.UTF8_STRING, Buffer.from(text)));
  return der(Tag.SEQUENCE, der(Tag.SET, attribute));
}

function utcTime(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/\D/g, '');
  return der(Tag.UTC_TIME, Buffer.from(`${digits.slice(2, 14)}Z`, 'latin1'));
}

function oid(hex: string): Buffer {
  return der(Tag.OID, Buffer.from(hex, 'hex'));
}

/** Tag, length and contents. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts);
  const { length } = contents;
  if (length < SHORT_LENGTH) return Buffer.concat([Buffer.of(tag, length), contents]);
  const octets = length > 0xff ? Buffer.of(tag, 0x82, length >>> 8, length & 0xff) : Buffer.of(tag, 0x81, length);
  return Buffer.concat([octets, contents]);
}
