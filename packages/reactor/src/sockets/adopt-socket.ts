import type { SocketAddress } from '@ambientmesh/hbone';
import type { Reactor } from '../loop/reactor.ts';
import { IPPROTO_TCP, TCP_NODELAY } from '../native/kernel-constants.ts';
import { ReactorPlain } from './reactor-plain.ts';
import { readSocketAddress, SOCKET_ADDRESS_BYTES } from './socket-address.ts';
import { socketShare } from './socket-share.ts';

/** Takes over a connected, non-blocking TCP socket. Addresses that the kernel no longer knows have an empty `ip`. */
export function adoptSocket(reactor: Reactor, descriptor: number): ReactorPlain {
  const { calls, arena } = reactor;
  const at = socketShare(reactor).address;
  const read = (result: number): SocketAddress => (result < 0 ? { ip: '', port: 0 } : readSocketAddress(arena, at));
  calls.setOption(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  const local = read(calls.socketName(descriptor, at, SOCKET_ADDRESS_BYTES));
  const remote = read(calls.peerName(descriptor, at, SOCKET_ADDRESS_BYTES));
  return new ReactorPlain(reactor, descriptor, { local, remote });
}
