import { word } from '../render-words.ts';
import type { Family, RejectTarget } from '../rule.ts';
import type { TargetKind } from './target-kind.ts';

/** Answers by their listed name, with the short names the tool takes too. The first is the default. */
const ANSWERS: { readonly [F in Family]: Readonly<Record<string, string>> } = {
  ipv4: {
    'icmp-port-unreachable': 'port-unreach',
    'icmp-net-unreachable': 'net-unreach',
    'icmp-host-unreachable': 'host-unreach',
    'icmp-proto-unreachable': 'proto-unreach',
    'icmp-net-prohibited': 'net-prohib',
    'icmp-host-prohibited': 'host-prohib',
    'icmp-admin-prohibited': 'admin-prohib',
    'tcp-reset': 'tcp-rst',
  },
  ipv6: {
    'icmp6-port-unreachable': 'port-unreach',
    'icmp6-no-route': 'no-route',
    'icmp6-adm-prohibited': 'adm-prohibited',
    'icmp6-addr-unreachable': 'addr-unreach',
    'icmp6-policy-fail': 'policy-fail',
    'icmp6-reject-route': 'reject-route',
    'tcp-reset': 'tcp-reset',
  },
};

/** Drops the packet and tells its sender: `with` as the tool names it, by default that the port is unreachable. */
export function reject(answer?: string): RejectTarget {
  return { target: 'REJECT', ...(answer === undefined ? {} : { with: answer }) };
}

/** `REJECT`. */
export const REJECT: TargetKind<RejectTarget> = {
  table: 'filter',
  hooks: ['INPUT', 'FORWARD', 'OUTPUT'],
  render: (target) => `-j REJECT${target.with === undefined ? '' : ` --reject-with ${word(target.with)}`}`,
  parse([option]) {
    if (option === undefined) return { target: 'REJECT' };
    return option.name === '--reject-with' ? { target: 'REJECT', with: option.values[0] ?? '' } : undefined;
  },
  list(target, family) {
    const [first = ''] = Object.keys(ANSWERS[family]);
    const answer = listAnswer(target.with ?? first, family) ?? target.with;
    return answer === target.with || answer === undefined ? target : { target: 'REJECT', with: answer };
  },
  check(target, { family, protocol }) {
    if (target.with === undefined) return undefined;
    const answer = listAnswer(target.with, family);
    if (answer === undefined)
      return `${JSON.stringify(target.with)}: want one of ${Object.keys(ANSWERS[family]).join(', ')}`;
    return answer === 'tcp-reset' && protocol !== 'tcp' ? 'tcp-reset needs -p tcp' : undefined;
  },
};

function listAnswer(text: string, family: Family): string | undefined {
  const answers = ANSWERS[family];
  return Object.hasOwn(answers, text) ? text : Object.keys(answers).find((name) => answers[name] === text);
}
