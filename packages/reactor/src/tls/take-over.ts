import type { Plain } from '@ambientmesh/hbone';
import { ReactorPlain } from '../sockets/reactor-plain.ts';
import type { Carrier } from './carrier.ts';
import { DescriptorCarrier } from './descriptor-carrier.ts';
import { PlainCarrier } from './plain-carrier.ts';
import type { TlsThread } from './tls-thread.ts';

/** Makes `plain` the carrier of a TLS connection: it is nobody else's then. */
export function takeOver(tls: TlsThread, plain: Plain): Carrier {
  const released = plain instanceof ReactorPlain ? plain.release() : undefined;
  if (released === undefined) return new PlainCarrier(tls, plain);
  return new DescriptorCarrier(tls, released.descriptor, plain, released.lost);
}
