import { execFileSync } from 'node:child_process';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  bindIn,
  type ConnectInOptions,
  canonicalIp,
  connectIn,
  descriptorOf,
  listenIn,
  Namespace,
  originalDestination,
} from '@ambientmesh/netns';

/** Who took a connection, and how it looks from there. */
export interface Arrival {
  readonly port: number;
  readonly peer: string;
  readonly original: string;
}

/** A place in the network. */
export type Place = 'pod' | 'outside' | 'guest';

/** Addresses of the places in the network, by family. */
export const ADDRESSES = {
  4: { pod: '10.9.0.2', outside: '10.9.0.1', loopback: '127.0.0.1', gateway: '10.8.0.1', guest: '10.8.0.2' },
  6: { pod: 'fd09::2', outside: 'fd09::1', loopback: '::1', gateway: 'fd08::1', guest: 'fd08::2' },
} as const;

/**
 * A pod (`eth0`) with the world outside of it, and a virtual machine behind the pod's interface `virt0`. Nothing of it is
 * named; it ends when it is disposed of.
 */
export class PodNetwork implements Disposable {
  readonly pod = Namespace.create();
  readonly outside = Namespace.create();
  readonly guest = Namespace.create();
  readonly #servers: (Server | DatagramSocket)[] = [];

  /** `probeSources` are addresses of the outside. */
  constructor(probeSources: { readonly v4: string; readonly v6: string }) {
    this.run('outside', `ip link add eth0 type veth peer name eth0 netns ${pathOf(this.pod)}`);
    this.run('guest', `ip link add eth0 type veth peer name virt0 netns ${pathOf(this.pod)}`);
    const { 4: v4, 6: v6 } = ADDRESSES;
    this.run(
      'outside',
      `${up('eth0', v4.outside, v6.outside)}; ip addr add ${probeSources.v4}/32 dev eth0; ip addr add ${probeSources.v6}/128 dev eth0 nodad
       ip route add 10.8.0.0/24 via ${v4.pod}; ip route add fd08::/64 via ${v6.pod}`,
    );
    this.run(
      'pod',
      `${up('eth0', v4.pod, v6.pod)}; ${up('virt0', v4.gateway, v6.gateway)}
       ip route add default via ${v4.outside}; ip route add default via ${v6.outside}`,
    );
    this.run(
      'guest',
      `${up('eth0', v4.guest, v6.guest)}; ip route add default via ${v4.gateway}; ip route add default via ${v6.gateway}`,
    );
  }

  /** Runs a shell command in a place; returns what it printed. */
  run(place: Place, command: string, input = ''): string {
    return this[place].run(() => execFileSync('sh', ['-ec', command], { encoding: 'utf8', input, stdio: 'pipe' }));
  }

  /** Listens on ports of a place, in both families; who connects is told where it has arrived. */
  async listen(place: Place, ports: readonly number[], proxyMark?: number): Promise<void> {
    for (const port of ports) {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.end(JSON.stringify(arrivalOf(socket, port)));
      });
      this.#servers.push(server);
      const proxy = proxyMark === undefined ? {} : { mark: proxyMark, transparent: 'require' as const };
      await listenIn(this[place], server, { ip: '::', port, ...proxy });
    }
  }

  /** Connects from a place and returns what the other end says. */
  async call(from: Place, host: string, port: number, options?: Partial<ConnectInOptions>): Promise<Arrival> {
    const arrival: Arrival = JSON.parse(await text(await connectIn(this[from], { host, port, ...options })));
    return arrival;
  }

  /** Answers datagrams to an address with the port they have arrived at and where they came from. */
  async answerDatagrams(place: Place, ip: string, port: number, mark?: number): Promise<void> {
    const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
    this.#servers.push(socket);
    socket.on('message', (_query, { address, port: back }) => socket.send(`${port} ${address}`, back, address));
    await bindIn(this[place], socket, { ip, port, ...(mark === undefined ? {} : { mark }) });
  }

  /** Sends a datagram from a place and returns the answer, which must come from where the datagram went. */
  async ask(from: Place, host: string, port: number, mark?: number): Promise<string> {
    const family = host.includes(':') ? 6 : 4;
    const socket = createSocket(`udp${family}`);
    this.#servers.push(socket);
    const any = family === 6 ? '::' : '0.0.0.0';
    await bindIn(this[from], socket, { ip: any, port: 0, ...(mark === undefined ? {} : { mark }) });
    socket.connect(port, host);
    await once(socket, 'connect');
    socket.send('?');
    const [answer] = await once(socket, 'message');
    return String(answer);
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.close();
    for (const namespace of [this.pod, this.outside, this.guest]) namespace.close();
  }
}

function arrivalOf(socket: Socket, port: number): Arrival {
  const { localAddress = '', localPort = 0, remoteAddress = '' } = socket;
  const original = originalDestination(descriptorOf(socket) ?? -1, { ip: localAddress, port: localPort });
  return { port, peer: canonicalIp(remoteAddress), original: `${original.ip} ${original.port}` };
}

function pathOf(namespace: Namespace): string {
  return `/proc/${process.pid}/fd/${namespace.fd}`;
}

/** Without duplicate address detection: addresses are usable at once. */
function up(name: string, v4: string, v6: string): string {
  return `ip link set lo up; ip link set ${name} up; ip addr add ${v4}/24 dev ${name}; ip addr add ${v6}/64 dev ${name} nodad`;
}
