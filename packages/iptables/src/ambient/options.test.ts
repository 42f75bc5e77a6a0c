import {
  type AmbientHostOptions,
  type AmbientPodOptions,
  buildAmbientHostRules,
  buildAmbientPodRules,
  explainPacket,
  openProbeSets,
  type Packet,
  type ProbeSetOptions,
  parsePacket,
  type TranslateToNftOptions,
  translateToNft,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';

// As JSON and JavaScript give them: the compiler does not see them.

test.each([
  { options: '{ "capture": "tprxy" }', says: 'option capture is "tprxy": want tproxy or redirect' },
  { options: '{}', says: 'option capture is undefined: want tproxy or redirect' },
  { options: '{ "capture": "tproxy", "dns": "false" }', says: 'option dns is "false": want true or false' },
  { options: '{ "capture": "tproxy", "ipv6": 0 }', says: 'option ipv6 is 0: want true or false' },
  { options: '{ "capture": "tproxy", "ingress": "no" }', says: 'option ingress is "no"' },
  { options: '{ "capture": "tproxy", "virtualInterfaces": "tap0" }', says: 'virtual interfaces "tap0": want a list' },
  { options: '{ "capture": "tproxy", "virtualInterfaces": [5] }', says: 'virtual interface 5: want a name' },
  { options: '{ "capture": "tproxy", "probeSources": { "ipv4": "10.0.0.1" } }', says: 'is "ipv4": want v4 or v6' },
  { options: '{ "capture": "tproxy", "probeSources": { "v4": 5 } }', says: 'probe source 5: want an ipv4 address' },
])('buildAmbientPodRules refuses $options', ({ options, says }) => {
  const parsed: AmbientPodOptions = JSON.parse(options);
  expect(() => buildAmbientPodRules(parsed)).toThrow(
    expect.objectContaining({ code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining(says) }),
  );
});

test.each([
  { options: '{ "ipv6": "off" }', says: 'option ipv6 is "off"' },
  { options: '{ "kubeletUid": "0" }', says: 'kubelet user id 0' },
  { options: '{ "probeSources": { "V4": "10.0.0.1" } }', says: 'is "V4": want v4 or v6' },
])('buildAmbientHostRules refuses $options', ({ options, says }) => {
  const parsed: AmbientHostOptions = JSON.parse(options);
  expect(() => buildAmbientHostRules(parsed)).toThrow(
    expect.objectContaining({ code: 'IPTABLES_RULE_INVALID', message: expect.stringContaining(says) }),
  );
});

test.each([
  { options: '{ "backend": "nft" }', says: 'option backend is "nft": want iptables or nftables' },
  { options: '{ "ipv6": "no" }', says: 'option ipv6 is "no"' },
])('openProbeSets refuses $options', async ({ options, says }) => {
  const parsed: ProbeSetOptions = JSON.parse(options);
  await expect(openProbeSets(parsed)).rejects.toMatchObject({
    code: 'IPTABLES_RULE_INVALID',
    message: expect.stringContaining(says),
  });
});

test('tables without a prefix are not called undefined', () => {
  const parsed: TranslateToNftOptions = JSON.parse('{}');
  expect(() => translateToNft({}, parsed)).toThrow(/table prefix undefined/);
});

test.each([
  { change: '{ "state": "new" }', says: 'state "new"' },
  { change: '{ "origin": "here" }', says: 'origin "here"' },
  { change: '{ "translated": ["snat"] }', says: 'translated ["snat"]' },
])('explainPacket refuses a packet with $change', ({ change, says }) => {
  const changed: Partial<Packet> = JSON.parse(change);
  const packet = { ...parsePacket('tcp in e'), ...changed };
  expect(() => explainPacket({ family: 'ipv4', tables: [] }, packet)).toThrow(
    expect.objectContaining({ code: 'IPTABLES_PACKET_INVALID', message: expect.stringContaining(says) }),
  );
});
