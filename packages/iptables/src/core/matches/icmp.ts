import { not, octet } from '../render-words.ts';
import type { IcmpMatch, ProtocolMatch } from '../rule.ts';
import { onlyOption } from '../words.ts';
import type { MatchKind } from './match-kind.ts';
import { protocol } from './protocol.ts';

/** The kernel's "any type" of IPv4; with ICMPv6 the number is a type like any other. */
const ANY_TYPE = 255;
const FORMS = {
  icmp: { option: '--icmp-type', protocol: 'icmp', family: 'ipv4' },
  icmp6: { option: '--icmpv6-type', protocol: 'ipv6-icmp', family: 'ipv6' },
} as const;

/** ICMP packets (IPv4) of a type, for example 8 (echo request), and of a code where given; with the protocol match. */
export function icmp(type: number, code?: number): readonly [ProtocolMatch, IcmpMatch] {
  return [protocol('icmp'), { match: 'icmp', type, ...(code === undefined ? {} : { code }) }];
}

/** ICMPv6 packets of a type, for example 128 (echo request), and of a code where given; with the protocol match. */
export function icmpv6(type: number, code?: number): readonly [ProtocolMatch, IcmpMatch] {
  return [protocol('ipv6-icmp'), { match: 'icmp6', type, ...(code === undefined ? {} : { code }) }];
}

/** `-m icmp` and `-m icmp6`. */
export const ICMP: MatchKind<IcmpMatch> = {
  render({ match, type, code, negated }) {
    const kind = `${octet(type, 'ICMP type')}${code === undefined ? '' : `/${octet(code, 'ICMP code')}`}`;
    return `-m ${match} ${not(negated)}${FORMS[match].option} ${kind}`;
  },
  parse(options, name) {
    const match = name === 'icmp' ? 'icmp' : 'icmp6';
    const option = onlyOption(options, FORMS[match].option);
    const found = /^(\d+)(?:\/(\d+))?$/.exec(option?.values[0] ?? '');
    if (option === undefined || found === null) return undefined;
    const code = found[2] === undefined ? {} : { code: Number(found[2]) };
    return { match, type: Number(found[1]), ...code, ...(option.negated ? { negated: true } : {}) };
  },
  list: (match) =>
    match.match === 'icmp' && match.type === ANY_TYPE
      ? { match: 'raw', text: `-m icmp ${not(match.negated)}--icmp-type any` }
      : match,
  check({ match }, scope) {
    if (FORMS[match].family !== scope.family) return `${match} is of ${FORMS[match].family}`;
    return scope.protocol === FORMS[match].protocol ? undefined : `${match} needs -p ${FORMS[match].protocol}`;
  },
};
