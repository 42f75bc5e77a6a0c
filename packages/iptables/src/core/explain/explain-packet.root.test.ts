import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { explainPacket, parsePacket, parseSave, type RuleSet } from '@ambientmesh/iptables';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** Programs of the system, not of a package. */
const SYSTEM = { unshare: 'unshare', nsenter: 'nsenter' } as const;
const RULE_SETS = 10;
const PORTS = [53, 80, 8080];

/**
 * What runs in each namespace: it listens on every port, so that nothing is answered, and sends what it is told to,
 * a line for each packet; the sockets stay open, for an answer to a closed one would be refused. It says "ready" once it
 * listens, and "sent" for each packet.
 */
const PEER = `
const dgram = require('node:dgram');
const sockets = ${JSON.stringify(PORTS)}.map((port) => dgram.createSocket('udp4').bind(port));
let bound = 0;
for (const socket of sockets) socket.on('listening', () => ++bound === sockets.length && console.log('ready'));
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { from, fromPort, to, toPort } = JSON.parse(line);
  const listening = sockets.find((socket) => socket.address().port === fromPort);
  if (listening) return listening.send('x', toPort, to, () => console.log('sent'));
  const socket = dgram.createSocket('udp4');
  socket.bind(fromPort, from, () => socket.send('x', toPort, to, () => console.log('sent')));
}).on('close', () => process.exit());
`;

class Peer {
  readonly pid: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.pid = child.pid ?? 0;
  }

  static async open(): Promise<Peer> {
    const script = 'ip link set lo up; exec "$0" -e "$1"';
    const peer = new Peer(spawn(SYSTEM.unshare, ['-n', 'sh', '-c', script, process.execPath, PEER]));
    await peer.#expect('ready');
    return peer;
  }

  inside(command: string, input = ''): string {
    const args = [`--net=/proc/${this.pid}/ns/net`, 'sh', '-c', command];
    return execFileSync(SYSTEM.nsenter, args, { encoding: 'utf8', input });
  }

  async send(packet: { from: string; fromPort: number; to: string; toPort: number }): Promise<void> {
    this.#child.stdin.write(`${JSON.stringify(packet)}\n`);
    await this.#expect('sent');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await once(this.#child, 'close');
  }

  async #expect(word: string): Promise<void> {
    const { value } = await this.#lines.next();
    if (value !== word) throw new Error(`the peer says ${value} instead of ${word}`);
  }
}

/** client 10.77.1.2 - 10.77.1.1 firewall 10.77.2.1 - 10.77.2.2 server */
function connect(client: Peer, firewall: Peer, server: Peer): void {
  firewall.inside(`
    ip link add eth0 type veth peer name wire netns ${client.pid}; ip addr add 10.77.1.1/24 dev eth0; ip link set eth0 up
    ip link add eth1 type veth peer name wire netns ${server.pid}; ip addr add 10.77.2.1/24 dev eth1; ip link set eth1 up
    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
    for name in all eth0 eth1; do echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter; done`);
  client.inside('ip addr add 10.77.1.2/24 dev wire; ip link set wire up; ip route add default via 10.77.1.1');
  server.inside('ip addr add 10.77.2.2/24 dev wire; ip link set wire up; ip route add default via 10.77.2.1');
}

const CONDITIONS = [
  '',
  '',
  '',
  '-s 10.77.1.2/32',
  '! -s 10.77.1.2/32',
  '-d 10.77.2.0/24',
  '! -d 127.0.0.1/32',
  '-p udp',
  '! -p tcp',
  '-p udp -m udp --dport 80',
  '-p udp -m udp --dport 50:60',
  '-p udp -m udp ! --sport 1:1000',
  '-p udp -m multiport --dports 80,8080',
  '-p udp -m multiport ! --ports 80',
  '-m mark --mark 0x1/0x1',
  '-m mark ! --mark 0x2/0xff',
  '-m connmark --mark 0x1/0x1',
  '-m connmark ! --mark 0x1/0x1',
  '-m conntrack --ctstate NEW',
  '-m conntrack ! --ctstate NEW,ESTABLISHED',
  '-m conntrack --ctstate DNAT',
  '-m conntrack ! --ctstate UNTRACKED',
  '-m conntrack --ctstate SNAT',
  '-m addrtype --dst-type LOCAL',
  '-m addrtype ! --src-type LOCAL',
  '-m comment --comment "a b"',
];
const IN = ['-i eth0', '! -i eth0', '-i lo', '-i e+'];
const OUT = ['-o eth1', '! -o lo', '-o lo', '! -o eth+'];
const OWNER = [
  '-m owner --uid-owner 0',
  '-m owner ! --uid-owner 0',
  '-m owner --socket-exists',
  '-m owner ! --socket-exists',
];
const TARGETS = [
  '',
  '',
  '',
  '-j ACCEPT',
  '-j RETURN',
  '-j A',
  '-j A',
  '-j B',
  '-g B',
  '-j MARK --set-xmark 0x1/0xffffffff',
  '-j MARK --set-xmark 0x2/0x6',
  '-j CONNMARK --set-xmark 0x1/0xff',
  '-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff',
  '-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff',
];
const RARELY = ['-j DROP'];
const NAT = {
  PREROUTING: [
    '-j REDIRECT --to-ports 8080',
    '-j DNAT --to-destination 10.77.2.2:80',
    '-j DNAT --to-destination 10.77.1.1',
  ],
  INPUT: ['-j SNAT --to-source 10.77.9.9'],
  OUTPUT: ['-j REDIRECT --to-ports 8080', '-j DNAT --to-destination 10.77.2.2:53'],
  POSTROUTING: ['-j SNAT --to-source 10.77.2.1', '-j MASQUERADE'],
} as const;
const HOOKS = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
} as const;

function rulesOf(table: keyof typeof HOOKS, chain: string, most: number): fc.Arbitrary<string[]> {
  const outgoing = chain === 'OUTPUT' || chain === 'POSTROUTING';
  const conditions = [
    ...CONDITIONS,
    ...(outgoing ? OWNER : []),
    ...(['PREROUTING', 'INPUT', 'FORWARD'].includes(chain) ? IN : []),
    ...(outgoing || chain === 'FORWARD' ? OUT : []),
  ];
  const own =
    table === 'nat' ? Object.entries(NAT).flatMap(([hook, targets]) => (hook === chain ? [...targets] : [])) : [];
  const raw = table === 'raw' ? ['-j CT --zone 1', '-j CT --notrack'] : [];
  // A only calls B, and B calls nobody, so that there is no circle.
  const calls = TARGETS.filter(
    (target) => !(chain === 'B' && / [AB]$/.test(target)) && !(chain === 'A' && target.endsWith(' A')),
  );
  const targets = [...calls, ...calls, ...own, ...raw, ...(table === 'nat' ? [] : RARELY)];
  const rule = fc.tuple(fc.constantFrom(...conditions), fc.constantFrom(...targets)).map(([condition, target]) => {
    // A translation of ports wants a protocol with ports.
    const bare = /REDIRECT|:\d/.test(target) && !condition.startsWith('-p udp');
    return `-A ${chain} ${bare ? `-p udp ${condition.replace('! -p tcp', '')}` : condition} ${target}`;
  });
  return fc.array(rule, { minLength: 1, maxLength: most });
}

function tableOf(name: keyof typeof HOOKS): fc.Arbitrary<string> {
  const chains = [...HOOKS[name], 'A', 'B'];
  return fc
    .tuple(...chains.map((chain) => rulesOf(name, chain, 4)))
    .map((rules) => `*${name}\n:A - [0:0]\n:B - [0:0]\n${rules.flat().join('\n')}\nCOMMIT\n`);
}

const ruleSets = fc
  .tuple(tableOf('raw'), tableOf('mangle'), tableOf('nat'), tableOf('filter'))
  .map((tables) => tables.join(''));

const KINDS = [
  { from: '10.77.1.2', to: '10.77.1.1', at: 'client', says: 'in eth0 local' },
  { from: '10.77.1.2', to: '10.77.2.2', at: 'client', says: 'in eth0 out eth1 host 10.77.1.1' },
  { from: '10.77.2.1', to: '10.77.2.2', at: 'firewall', says: 'out eth1 uid 0 host 10.77.2.1 host 10.77.1.1' },
  { from: '127.0.0.1', to: '127.0.0.1', at: 'firewall', says: 'out lo uid 0' },
  { from: '10.77.1.1', to: '10.77.2.1', at: 'firewall', says: 'out lo uid 0 host 10.77.1.1 host 10.77.2.1' },
] as const;

/** Rules whose counter is not zero, as `nat OUTPUT 2`. */
function counted(ruleSet: RuleSet): string[] {
  return ruleSet.tables.flatMap(({ name, rules }) => {
    const numbers = new Map<string, number>();
    return rules.flatMap((rule) => {
      const number = (numbers.get(rule.chain) ?? 0) + 1;
      numbers.set(rule.chain, number);
      return (rule.counters?.packets ?? 0) > 0 ? [`${name} ${rule.chain} ${number}`] : [];
    });
  });
}

interface Send {
  readonly by: Peer;
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
  /** The rest of its description. */
  readonly says: string;
}

/** Sends one packet through `firewall` with fresh counters, and compares them with what is said to match. */
async function compare(firewall: Peer, rules: string, { by, says, ...send }: Send) {
  firewall.inside('iptables-restore', rules);
  const packet = `udp src ${send.from}:${send.fromPort} dst ${send.to}:${send.toPort} ${says}`;
  const explanation = explainPacket(parseSave(firewall.inside('iptables-save -c'), 'ipv4'), parsePacket(packet));
  const met = explanation.steps.flatMap((step) =>
    step.step === 'rule' ? [{ name: `${step.table} ${step.chain} ${step.number}`, result: step.result }] : [],
  );
  const certain = met.filter(({ result }) => result === 'matched').map(({ name }) => name);
  const open = new Set(met.filter(({ result }) => result !== 'not-matched').map(({ name }) => name));
  const whole = explanation.decided && met.every(({ result }) => result === 'matched' || result === 'not-matched');
  const state = () => {
    const rose = counted(parseSave(firewall.inside('iptables-save -c'), 'ipv4')).toSorted();
    return { packet, rules, rose: whole ? rose : [], surprising: rose.filter((name) => !open.has(name)) };
  };
  await by.send(send);
  await expect
    .poll(state, { timeout: 3_000, interval: 20 })
    .toEqual({ packet, rules, rose: whole ? [...new Set(certain)].toSorted() : [], surprising: [] });
  return { explanation, whole };
}

const SEED = Number(process.env['EXPLAIN_SEED'] ?? 20_261_121);
const TIMEOUT = { timeout: 120_000 };

test('the kernel counts the packet at exactly the rules that are said to match', TIMEOUT, async () => {
  await using client = await Peer.open();
  await using firewall = await Peer.open();
  await using server = await Peer.open();
  connect(client, firewall, server);
  let fromPort = 20_000;
  let exact = 0;
  for (const rules of fc.sample(ruleSets, { seed: SEED, numRuns: RULE_SETS })) {
    for (const { at, ...kind } of KINDS) {
      const toPort = PORTS[fromPort % PORTS.length] ?? 0;
      fromPort += 1;
      const by = at === 'client' ? client : firewall;
      const { whole } = await compare(firewall, rules, { ...kind, by, fromPort, toPort });
      if (whole) exact += 1;
    }
  }
  // Most must be decided, or this test says little.
  expect(exact).toBeGreaterThan((RULE_SETS * KINDS.length) / 2);
});

/** Without nat and CT: what these did to the first packet, a description of the answer does not tell. */
const plainSets = fc
  .tuple(tableOf('raw'), tableOf('mangle'), tableOf('filter'))
  .map((tables) => tables.join('').replaceAll(/-j CT .*$/gm, ''));

test('the same for answers: state ESTABLISHED, and the mark that the first packet left', TIMEOUT, async () => {
  await using client = await Peer.open();
  await using firewall = await Peer.open();
  await using server = await Peer.open();
  connect(client, firewall, server);
  let clientPort = 30_000;
  let exact = 0;
  for (const rules of fc.sample(plainSets, { seed: SEED, numRuns: RULE_SETS * 2 })) {
    clientPort += 1;
    const [there, back] = [
      { from: '10.77.1.2', to: '10.77.2.2' },
      { from: '10.77.2.2', to: '10.77.1.2' },
    ];
    const first = { ...there, by: client, fromPort: clientPort, toPort: 80, says: 'in eth0 out eth1' };
    const { explanation, whole } = await compare(firewall, rules, first);
    const [end] = explanation.ends;
    if (!whole || end?.end !== 'sent') continue;
    const says = `in eth1 out eth0 state ESTABLISHED connmark ${end.packet.connectionMark ?? 0}`;
    const answer = await compare(firewall, rules, { ...back, by: server, fromPort: 80, toPort: clientPort, says });
    if (answer.whole) exact += 1;
  }
  expect(exact).toBeGreaterThan(RULE_SETS / 4);
});
