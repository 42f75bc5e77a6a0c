import { parseSave, type RuleSet, renderNft, renderRestore, translateToNft } from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { ADDRESSES, PodNetwork } from './capture/pod-network.ts';

const PROBES = { v4: '169.254.99.1', v6: 'fd99::1' };
/** What the tests call from outside. */
const PORTS = [80, 81, 82, 83, 84, 85, 86, 87] as const;

/** Longer than a busy machine takes to answer. */
const SILENCE_MS = 3000;

/** Differs between the families in its policy, which RETURN and goto must reach. */
const FIREWALL = {
  4: `*filter
:INPUT DROP [0:0]
:BACK - [0:0]
:ON - [0:0]
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 81 -j REJECT --reject-with tcp-reset
-A INPUT -p tcp -m tcp --dport 82 -g BACK
-A INPUT -p tcp -m tcp --dport 83 -j BACK
-A INPUT -p tcp -m multiport --ports 83,84 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 85 -j RETURN
-A INPUT -p tcp -m conntrack --ctstate DNAT -j ON
-A INPUT -p tcp -m tcp ! --dport 86 -j RETURN
-A INPUT -s 10.9.0.0/24 -p tcp -j ON
-A ON -m mark ! --mark 0x0/0xff -j ACCEPT
-A ON -j REJECT --reject-with icmp-port-unreachable
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 86:87 -j MARK --set-xmark 0x3/0xff
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 87 -j REDIRECT --to-ports 80
COMMIT
`,
  6: `*filter
:INPUT ACCEPT [0:0]
:BACK - [0:0]
-A INPUT -p tcp -m tcp --dport 81 -j REJECT --reject-with tcp-reset
-A INPUT -p tcp -m tcp --dport 82 -g BACK
-A INPUT -p tcp -m tcp --dport 85 -j RETURN
-A INPUT -p tcp -j REJECT --reject-with icmp6-port-unreachable
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 87 -j DNAT --to-destination [fd09::2]:82
COMMIT
`,
} as const;

/** Ports where a connection arrives, `refused`, or `silent` (nothing comes back). */
async function outcomes(network: PodNetwork, family: 4 | 6): Promise<readonly string[]> {
  const calls = PORTS.map(async (port) => {
    const giveUp = AbortSignal.timeout(SILENCE_MS);
    const { pod } = ADDRESSES[family];
    return network.call('outside', pod, port, { signal: giveUp }).then(
      (arrival) => `${port} at ${arrival.port}`,
      () => `${port} ${giveUp.aborted ? 'silent' : 'refused'}`,
    );
  });
  return Promise.all(calls);
}

async function openPod(): Promise<PodNetwork> {
  const network = new PodNetwork(PROBES);
  await network.listen('pod', PORTS);
  return network;
}

test('a translated firewall decides as the firewall does, for either family', async () => {
  const v4: RuleSet = parseSave(FIREWALL[4], 'ipv4');
  const v6: RuleSet = parseSave(FIREWALL[6], 'ipv6');
  using original = await openPod();
  original.run('pod', 'iptables-nft-restore --noflush', renderRestore(v4));
  original.run('pod', 'iptables-nft -P INPUT DROP');
  original.run('pod', 'ip6tables-nft-restore --noflush', renderRestore(v6));
  using translated = await openPod();
  translated.run('pod', 'nft -f -', renderNft(translateToNft({ v4, v6 }, { prefix: 'own-' })));
  const expected = {
    4: ['80 at 80', '81 refused', '82 silent', '83 at 83', '84 at 84', '85 silent', '86 at 86', '87 at 80'],
    6: ['80 refused', '81 refused', '82 at 82', '83 refused', '84 refused', '85 at 85', '86 refused', '87 at 82'],
  } as const;
  for (const family of [4, 6] as const) {
    expect(await outcomes(original, family)).toEqual(expected[family]);
    expect(await outcomes(translated, family)).toEqual(expected[family]);
  }
});

test('a translated firewall of one family leaves the other alone', async () => {
  using network = await openPod();
  const v4: RuleSet = parseSave(FIREWALL[4], 'ipv4');
  network.run('pod', 'nft -f -', renderNft(translateToNft({ v4 }, { prefix: '' })));
  expect(await outcomes(network, 6)).toEqual(PORTS.map((port) => `${port} at ${port}`));
});

test('TPROXY without a listener lets nothing through', async () => {
  using network = await openPod();
  const rule = '-p tcp -m tcp --dport 80 -j TPROXY --on-port 15006 --on-ip 0.0.0.0 --tproxy-mark 0x111/0xfff';
  const v4: RuleSet = parseSave(`*mangle\n-A PREROUTING ${rule}\nCOMMIT\n`, 'ipv4');
  network.run('pod', 'nft -f -', renderNft(translateToNft({ v4 }, { prefix: '' })));
  const [first, second] = await outcomes(network, 4);
  expect([first, second]).toEqual(['80 silent', '81 at 81']);
  expect(network.run('pod', 'nft list chain inet mangle prerouting')).toMatch(
    /counter packets [1-9]\d* bytes \d+ drop/,
  );
});
