import { isIP } from 'node:net';
import { buildAmbientHostRules } from '../ambient/host-rules.ts';
import { buildAmbientPodRules } from '../ambient/pod-rules.ts';
import type { ProbeSources } from '../ambient/probe-sources.ts';
import { buildListing } from '../core/listing.ts';
import { renderNft } from '../core/nft-script.ts';
import type { OwnedRules } from '../core/owned-rules.ts';
import { renderRestore, renderSave } from '../core/render-rule-set.ts';
import { IptablesError } from '../errors.ts';
import { type CommandIo, EXIT } from './command-io.ts';
import { choose, parseOptions } from './parse-options.ts';

const OPTIONS = {
  capture: { type: 'string', default: 'tproxy' },
  format: { type: 'string', default: 'restore' },
  dns: { type: 'boolean', default: false },
  ipv6: { type: 'boolean', default: false },
  ingress: { type: 'boolean', default: false },
  host: { type: 'boolean', default: false },
  'virtual-interface': { type: 'string', multiple: true, default: [] as string[] },
  'probe-source': { type: 'string', multiple: true, default: [] as string[] },
  'kubelet-uid': { type: 'string' },
} as const;

type Format = 'restore' | 'nft' | 'save';

/** Highest user id of Linux; the one above means "none". */
const HIGHEST_UID = 0xffff_fffe;

/** `rules`: the text of the ambient rules; IPv4, then IPv6 directly behind it. */
export function runRules(args: readonly string[], io: CommandIo): number {
  const { values, positionals } = parseOptions(args, OPTIONS);
  const [surplus] = positionals;
  if (surplus !== undefined) throw invalid(`rules has no argument ${JSON.stringify(surplus)}`);
  const capture = choose('--capture', values.capture, ['tproxy', 'redirect']);
  const format = choose('--format', values.format, ['restore', 'nft', 'save']);
  const { dns, ipv6, ingress, host } = values;
  const probeSources = readProbeSources(values['probe-source']);
  if (probeSources.v6 !== undefined && !ipv6)
    io.writeError(`ambient-iptables: --probe-source ${probeSources.v6} has no effect: add --ipv6\n`);
  const kubeletUid = readUid(values['kubelet-uid']);
  if (kubeletUid !== undefined && !host) throw invalid('--kubelet-uid is of --host rules only');
  if (host && (ingress || values['virtual-interface'].length > 0))
    throw invalid('--ingress and --virtual-interface are of pods, not of a --host');
  const rules: OwnedRules = host
    ? buildAmbientHostRules({ ipv6, probeSources, ...(kubeletUid === undefined ? {} : { kubeletUid }) })
    : buildAmbientPodRules({
        capture,
        dns,
        ipv6,
        ingress,
        probeSources,
        virtualInterfaces: values['virtual-interface'],
      });
  io.write(renderRules(rules, format));
  return EXIT.success;
}

function renderRules({ v4, v6, nftables }: OwnedRules, format: Format): string {
  if (format === 'nft') {
    if (nftables === undefined) throw invalid('these rules have no nft form');
    return renderNft(nftables);
  }
  const sets = [v4, v6].filter((set) => set !== undefined);
  return sets.map((set) => (format === 'restore' ? renderRestore(set) : renderSave(buildListing(set)))).join('');
}

/** The address tells its family; one for each. */
function readProbeSources(addresses: readonly string[]): ProbeSources {
  const sources: { v4?: string; v6?: string } = {};
  for (const address of addresses) {
    const version = isIP(address);
    if (version === 0) throw invalid(`--probe-source ${JSON.stringify(address)}: want an IPv4 or IPv6 address`);
    const key = version === 4 ? 'v4' : 'v6';
    if (sources[key] !== undefined) throw invalid(`--probe-source ${address}: there is one for IPv${version} already`);
    sources[key] = address;
  }
  return sources;
}

function readUid(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const uid = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(uid <= HIGHEST_UID)) throw invalid(`--kubelet-uid ${JSON.stringify(text)}: want a user id`);
  return uid;
}

function invalid(what: string): IptablesError {
  return new IptablesError('IPTABLES_COMMAND_INVALID', what);
}
