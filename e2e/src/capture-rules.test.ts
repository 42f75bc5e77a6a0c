import {
  AMBIENT_POLICY_ROUTING,
  type AmbientPodOptions,
  buildAmbientHostRules,
  buildAmbientPodRules,
  DEFAULT_PROBE_SOURCES,
  type OwnedRules,
  PROXY_MARK,
  renderNft,
  renderRestore,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { ADDRESSES, type Place, PodNetwork } from './capture/pod-network.ts';

type Backend = 'nft' | 'iptables-nft' | 'iptables-legacy';
const PROXY_PORTS = [15_001, 15_006, 15_008, 15_053];
const FROM_PROXY = { mark: PROXY_MARK.value };
const CASES = (['redirect', 'tproxy'] as const).flatMap((capture) =>
  (['nft', 'iptables-nft', 'iptables-legacy'] as const).flatMap((backend) =>
    ([4, 6] as const).map((family) => ({ capture, backend, family })),
  ),
);

/** A pod with rules, its application on 8080 and the proxy's listeners; servers outside on 80 and 53. */
async function openPod(
  backend: Backend,
  options: AmbientPodOptions,
  addresses: { readonly v4: string; readonly v6: string } = DEFAULT_PROBE_SOURCES,
): Promise<PodNetwork> {
  const network = new PodNetwork(addresses);
  const { mark, priority, table } = AMBIENT_POLICY_ROUTING;
  const rule = `fwmark 0x${mark.value.toString(16)}/0x${mark.mask.toString(16)} pref ${priority} lookup ${table}`;
  // The commands of the specification, section 6.
  network.run(
    'pod',
    `ip route replace local 0.0.0.0/0 dev lo scope host table ${table}; ip rule add ${rule}
     ip -6 route replace local ::/0 dev lo table ${table}; ip -6 rule add ${rule}`,
  );
  load(network, 'pod', backend, buildAmbientPodRules(options));
  await network.listen('pod', PROXY_PORTS, PROXY_MARK.value);
  await network.listen('pod', [8080]);
  await network.listen('outside', [80, 53]);
  return network;
}

/** Hands rules to the programs, as the text that `npx @ambientmesh/iptables rules` prints. */
function load(network: PodNetwork, place: Place, backend: Backend, { v4, v6, nftables }: OwnedRules): void {
  if (backend === 'nft') {
    network.run(place, 'nft -f -', renderNft(nftables ?? []));
    return;
  }
  if (v4 !== undefined) network.run(place, `${backend}-restore --noflush`, renderRestore(v4));
  if (v6 !== undefined) network.run(place, `${backend.replace('ip', 'ip6')}-restore --noflush`, renderRestore(v6));
}

test.each(CASES)('$capture with $backend, IPv$family: the rows of section 7', async ({ capture, backend, family }) => {
  using network = await openPod(backend, { capture, dns: true });
  const { pod, outside, loopback } = ADDRESSES[family];
  const probe = DEFAULT_PROBE_SOURCES[`v${family}`];

  // Application in the pod.
  expect(await network.call('pod', outside, 80)).toEqual({ port: 15_001, peer: pod, original: `${outside} 80` });
  expect(await network.call('pod', outside, 53)).toEqual({ port: 15_053, peer: pod, original: `${outside} 53` });
  expect(await network.call('pod', pod, 8080)).toEqual({ port: 8080, peer: pod, original: `${pod} 8080` });
  expect(await network.call('pod', loopback, 8080)).toMatchObject({ port: 8080, peer: loopback });
  // Proxy.
  expect(await network.call('pod', outside, 80, FROM_PROXY)).toMatchObject({ port: 80, peer: pod });
  expect(await network.call('pod', outside, 53, FROM_PROXY)).toMatchObject({ port: 53, peer: pod });
  const asClient = { ...FROM_PROXY, source: outside };
  expect(await network.call('pod', pod, 8080, asClient)).toMatchObject({ port: 8080, peer: outside });
  // Remote client.
  expect(await network.call('outside', pod, 8080)).toEqual({ port: 15_006, peer: outside, original: `${pod} 8080` });
  expect(await network.call('outside', pod, 15_008)).toEqual({ port: 15_008, peer: outside, original: `${pod} 15008` });
  expect(await network.call('outside', pod, 15_001)).toEqual({ port: 15_006, peer: outside, original: `${pod} 15001` });
  // Probe.
  expect(await network.call('outside', pod, 8080, { source: probe })).toMatchObject({ port: 8080, peer: probe });
});

test.each(CASES)(
  '$capture with $backend, IPv$family: a foreign source without the mark gets no answer',
  async ({ capture, backend, family }) => {
    using network = await openPod(backend, { capture });
    const { pod, outside } = ADDRESSES[family];
    const tables = family === 4 ? 'iptables-nft' : 'ip6tables-nft';
    network.run('outside', `${tables} -A INPUT -p tcp --sport 8080 --tcp-flags SYN,ACK SYN,ACK -j DROP`);
    const giveUp = new AbortController();
    const attempt = network.call('pod', pod, 8080, { source: outside, signal: giveUp.signal });
    const outcome = attempt.catch((error: unknown) => error);
    // The answer leaves the pod: the proxy never sees it.
    const astray = () => Number(/^\[(\d+):.*--sport 8080/m.exec(network.run('outside', `${tables}-save -c`))?.[1]);
    await expect.poll(astray, { timeout: 10_000 }).toBeGreaterThan(0);
    const reason = new Error('enough');
    giveUp.abort(reason);
    expect(await outcome).toBe(reason);
  },
);

test.each(CASES)('$capture with $backend, IPv$family: ingress', async ({ capture, backend, family }) => {
  using network = await openPod(backend, { capture, ingress: true });
  const { pod, outside } = ADDRESSES[family];
  expect(await network.call('outside', pod, 8080)).toMatchObject({ port: 8080, peer: outside });
  expect(await network.call('outside', pod, 15_008)).toMatchObject({ port: 15_008, peer: outside });
  expect(await network.call('pod', outside, 80)).toEqual({ port: 15_001, peer: pod, original: `${outside} 80` });
  // What rule 8 is for: inbound HBONE ends in such a connection.
  const asClient = { ...FROM_PROXY, source: outside };
  expect(await network.call('pod', pod, 8080, asClient)).toMatchObject({ port: 8080, peer: outside });
});

test.each(CASES)('$capture with $backend, IPv$family: virtual interfaces', async ({ capture, backend, family }) => {
  using network = await openPod(backend, { capture, virtualInterfaces: ['other0', 'virt+'] });
  const { pod, outside, guest, gateway } = ADDRESSES[family];
  for (const [host, port] of [
    [outside, 80],
    [outside, 15_008],
    [gateway, 8080],
    [pod, 15_008],
  ] as const)
    expect(await network.call('guest', host, port)).toEqual({
      port: 15_001,
      peer: guest,
      original: `${host} ${port}`,
    });
  expect(await network.call('outside', pod, 8080)).toMatchObject({ port: 15_006, peer: outside });
  expect(await network.call('outside', pod, 15_008)).toMatchObject({ port: 15_008, peer: outside });
  expect(await network.call('pod', outside, 80)).toMatchObject({ port: 15_001, peer: pod });
});

test.each(CASES)('$capture with $backend, IPv$family: DNS over UDP', async ({ capture, backend, family }) => {
  using network = await openPod(backend, { capture, dns: true });
  const { pod, outside, loopback } = ADDRESSES[family];
  await network.answerDatagrams('pod', loopback, 15_053, PROXY_MARK.value);
  await network.answerDatagrams('outside', outside, 53);
  expect(await network.ask('pod', outside, 53)).toBe(`15053 ${pod}`);
  expect(await network.ask('pod', outside, 53, PROXY_MARK.value)).toBe(`53 ${pod}`);
});

test.each(CASES)(
  '$capture with $backend, IPv$family: the host marks its probes',
  async ({ capture, backend, family }) => {
    // The outside does not have the probe sources as addresses, as no host has.
    using network = await openPod(backend, { capture }, { v4: '169.254.99.1', v6: 'fd99::1' });
    const { pod, outside } = ADDRESSES[family];
    const host = buildAmbientHostRules({ kubeletUid: process.getuid?.() ?? 0 });
    const { v4, v6 = '' } = host.probeSets;
    network.run(
      'outside',
      backend === 'nft'
        ? `nft add table inet istio-ambient-nat; nft 'add set inet istio-ambient-nat ${v4} { type ipv4_addr; }'
         nft 'add set inet istio-ambient-nat ${v6} { type ipv6_addr; }'`
        : `ipset create ${v4} hash:ip family inet; ipset create ${v6} hash:ip family inet6`,
    );
    load(network, 'outside', backend, host);
    expect(await network.call('outside', pod, 8080)).toMatchObject({ port: 15_006, peer: outside });
    const set = family === 4 ? v4 : v6;
    const add =
      backend === 'nft' ? `nft 'add element inet istio-ambient-nat ${set} { ${pod} }'` : `ipset add ${set} ${pod}`;
    network.run('outside', add);
    const probe = DEFAULT_PROBE_SOURCES[`v${family}`];
    expect(await network.call('outside', pod, 8080)).toMatchObject({ port: 8080, peer: probe });
  },
);
