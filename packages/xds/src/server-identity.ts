import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/**
 * Whether a server's leaf certificate (DER) is for one of `names`, DNS names or addresses, by its SANs alone; the
 * subject's common name does not count.
 */
export function isNamedOneOf(leafDer: Uint8Array, names: readonly string[]): boolean {
  const leaf = new X509Certificate(leafDer);
  return names.some((name) =>
    isIP(name) === 0 ? leaf.checkHost(name, { subject: 'never' }) !== undefined : leaf.checkIP(name) !== undefined,
  );
}
