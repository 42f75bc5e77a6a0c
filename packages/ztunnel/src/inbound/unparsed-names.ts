import { parseSpiffeId, uriNamesOf } from '@ambientmesh/spiffe';
import type { Pod } from '../data-plane/pod.ts';

/** A certificate has one name of this kind; who has many of another is not told of each. */
const MOST_NAMES = 4;
const MOST_CHARACTERS = 300;
// oxlint-disable-next-line no-control-regex -- these would break the line or the terminal
const UNSAFE = /[\u0000-\u001f\u007f-\u009f]/g;

/** Logs the URI SANs of a client's leaf (DER) that are no SPIFFE ID: they are passed over (spec hbone.md §1.1). */
export function warnOfUnparsedNames(pod: Pod, leaf: Uint8Array): void {
  const unparsed = uriNamesOf(leaf).filter((uri) => parseSpiffeId(uri) === undefined);
  for (const uri of unparsed.slice(0, MOST_NAMES)) {
    const name = uri.slice(0, MOST_CHARACTERS).replace(UNSAFE, '?');
    const message = `SAN URI(${name}) could not be parsed: invalid spiffe identity: ${name}`;
    pod.warn(message, { scope: 'tls::certificate' });
  }
}
