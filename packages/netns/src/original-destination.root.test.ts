import { execFileSync } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectIn, descriptorOf, listenIn, Namespace, originalDestination, type SocketAddress } from './index.ts';

/** `near` 10.99.0.1 and fd99::1 connects, `far` 10.99.0.2 and fd99::2 captures; 10.88/16 and fd88::/32 lie behind `far`. */
let near: Namespace;
let far: Namespace;

const inside = (namespace: Namespace, command: string): string =>
  namespace.run(() => execFileSync('sh', ['-ec', command], { encoding: 'utf8' }));

beforeAll(() => {
  near = Namespace.create();
  far = Namespace.create();
  // `ip` names a namespace by its path; a child's /proc/self is not ours.
  inside(near, `ip link add eth0 type veth peer name eth0 netns /proc/${process.pid}/fd/${far.fd}`);
  for (const [namespace, number] of [
    [near, 1],
    [far, 2],
  ] as const)
    inside(
      namespace,
      `ip link set lo up; ip link set eth0 up; ip addr add 10.99.0.${number}/24 dev eth0; ip addr add fd99::${number}/64 dev eth0 nodad`,
    );
  inside(near, 'ip route add 10.88.0.0/16 via 10.99.0.2; ip -6 route add fd88::/32 via fd99::2');
  for (const family of ['-4', '-6'])
    inside(far, `ip ${family} rule add fwmark 0x111 lookup 100; ip ${family} route add local default dev lo table 100`);
});
afterAll(() => {
  near.close();
  far.close();
});

const LISTENERS = {
  IPv4: { ip: '0.0.0.0' },
  'IPv6 only': { ip: '::', v6Only: true },
  'dual-stack': { ip: '::' },
} as const;

const render = ({ ip, port }: SocketAddress): string => `${ip} ${port}`;

/** A listener in `far` that answers where a connection to it was going, by both ways of asking. */
async function answerer(listener: keyof typeof LISTENERS): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    const local = { ip: socket.localAddress ?? '', port: socket.localPort ?? 0 };
    const answers = [originalDestination(socket), originalDestination(descriptorOf(socket) ?? -1, local)];
    socket.end(answers.map(render).join(', '));
  });
  const { port } = await listenIn(far, server, { ...LISTENERS[listener], port: 0, transparent: 'require' });
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const ask = async (host: string, port: number): Promise<string> => text(await connectIn(near, { host, port }));

const CASES = [
  { family: 4, listener: 'IPv4' },
  { family: 4, listener: 'dual-stack' },
  { family: 6, listener: 'IPv6 only' },
  { family: 6, listener: 'dual-stack' },
] as const;

test.each(CASES)('REDIRECT of IPv$family to a listener that is $listener', async ({ family, listener }) => {
  await using server = await answerer(listener);
  const tool = family === 4 ? 'iptables' : 'ip6tables';
  const host = family === 4 ? '10.99.0.2' : 'fd99::2';
  inside(far, `${tool} -t nat -A PREROUTING -p tcp --dport 4242 -j REDIRECT --to-ports ${server.port}`);
  try {
    expect(await ask(host, 4_242)).toBe(`${host} 4242, ${host} 4242`);
    // One that was not captured was going where it arrived.
    expect(await ask(host, server.port)).toBe(`${host} ${server.port}, ${host} ${server.port}`);
  } finally {
    inside(far, `${tool} -t nat -F`);
  }
});

test.each(CASES)('TPROXY of IPv$family to a listener that is $listener', async ({ family, listener }) => {
  await using server = await answerer(listener);
  const tool = family === 4 ? 'iptables' : 'ip6tables';
  const [network, host] = family === 4 ? ['10.88.0.0/16', '10.88.7.7'] : ['fd88::/32', 'fd88:0:7::7'];
  const target = `TPROXY --on-port ${server.port} --tproxy-mark 0x111`;
  // A connection that is established belongs to the accepted socket, whose local address is foreign.
  inside(
    far,
    `${tool} -t mangle -A PREROUTING -p tcp -d ${network} -m socket --transparent -j MARK --set-mark 0x111
     ${tool} -t mangle -A PREROUTING -p tcp -d ${network} -j ${target}`,
  );
  try {
    expect(await ask(host, 99)).toBe(`${host} 99, ${host} 99`);
  } finally {
    inside(far, `${tool} -t mangle -F`);
  }
});

test('a closed connection is a typed error', async () => {
  await using server = await answerer('dual-stack');
  const socket = await connectIn(near, { host: '10.99.0.2', port: server.port });
  socket.destroy();
  expect(() => originalDestination(socket)).toThrow(expect.objectContaining({ code: 'NETNS_CLOSED' }));
});
