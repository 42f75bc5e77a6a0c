import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { type SocketConstructorOpts, Socket as TcpSocket } from 'node:net';
import { type Namespace, openTcp, openUdp } from '@ambientmesh/netns';

/** Makes the sockets from which name servers are asked; not connected yet. May throw. */
export interface NameServerSockets {
  udp(family: 4 | 6): UdpSocket;
  tcp(family: 4 | 6): TcpSocket;
}

/** Sockets in the pod's namespace, with the mark that keeps them from being captured again. They throw `NetnsError`s. */
export function namespaceSockets(namespace: Namespace, mark: number): NameServerSockets {
  return {
    udp: (family) => {
      const { fd } = openUdp(namespace, { family, mark });
      const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6' });
      socket.bind({ fd });
      return socket;
    },
    tcp: (family) => {
      const { fd } = openTcp(namespace, { family, mark, keepAlive: false });
      // Not documented by Node: without it, reading starts before the socket is connected, and fails.
      const options: SocketConstructorOpts & { readonly manualStart: boolean } = { fd, manualStart: true };
      return new TcpSocket(options);
    },
  };
}
