import { X509Certificate } from 'node:crypto';
import { RevocationLists } from '../revocation-lists.ts';
import { der, derOf, integer, pem, sequence, time } from './der.ts';
import { DAY, ECDSA_SHA256, type Forged, NOW, type Scheme, signed } from './forge.ts';

/** What to forge; nothing is checked. */
export interface ListSpec {
  readonly version?: Buffer;
  readonly entries?: readonly Buffer[];
  readonly noEntries?: boolean;
  readonly nextUpdate?: Buffer;
  readonly extensions?: readonly Buffer[];
  readonly outer?: Scheme;
  readonly inner?: Scheme;
  readonly more?: readonly Buffer[];
}

/** DER of a list of `by` that revokes these certificates. */
export function forgeList(by: Pick<Forged, 'keys' | 'name'>, revoked: readonly Forged[], spec: ListSpec = {}): Buffer {
  const scheme = spec.inner ?? ECDSA_SHA256;
  const entries = spec.entries ?? revoked.map((one) => entry(serialOf(one)));
  const body = sequence(
    spec.version ?? integer(1),
    scheme.algorithm,
    by.name,
    time(NOW - DAY),
    ...(spec.nextUpdate === undefined ? [] : [spec.nextUpdate]),
    ...(entries.length === 0 ? [] : [derOf(0x30, Buffer.concat(entries))]),
    ...(spec.extensions === undefined ? [] : [der(0xa0, sequence(...spec.extensions))]),
    ...(spec.more ?? []),
  );
  return signed(body, by.keys, scheme, spec.outer);
}

/** An entry of this number. */
export function entry(serial: Uint8Array, ...extensions: readonly Buffer[]): Buffer {
  return sequence(integer(...serial), time(NOW - DAY), ...(extensions.length === 0 ? [] : [sequence(...extensions)]));
}

/** Reads these lists. */
export function lists(...ders: readonly Buffer[]): RevocationLists {
  return RevocationLists.parse(Buffer.from(ders.map((one) => pem('X509 CRL', one)).join('')));
}

/** The bytes of a serial number. */
export function serialOf({ der: bytes }: Forged): Buffer {
  return Buffer.from(new X509Certificate(bytes).serialNumber, 'hex');
}
