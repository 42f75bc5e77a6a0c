import type { IpAddress } from '../matching/ip-address.ts';
import type { Match } from '../policy.ts';
import type { FieldName } from './explanation.ts';
import type { Facts } from './facts.ts';
import { preparePrincipalNoter } from './principal-note.ts';
import { prepareRangeNoter } from './range-note.ts';

/** A cause in words of what became of a condition. */
export interface FieldNote {
  readonly text: string;
  /** Whether a value means this connection, and nothing but its spelling keeps the two apart. */
  readonly misspelt: boolean;
}

/** Says what the values alone do not tell of a condition; undefined if nothing. */
export type Noter = (facts: Facts, holds: boolean) => FieldNote | undefined;

/** What every client without an identity is. */
export const PLAIN_TEXT = 'the client came in plain text, without a certificate';

const NO_NAMESPACE = noteOf(`${PLAIN_TEXT}: its namespace is the empty text`);
const NO_ACCOUNT = noteOf(`${PLAIN_TEXT}: no service account matches`);
const NO_PRINCIPAL = noteOf(`${PLAIN_TEXT}: no principal matches`);
const NO_IDENTITY = noteOf(PLAIN_TEXT);
const BEHIND_PROXY = noteOf('behind a waypoint or a gateway, the source address is that of the proxy');
const NOT_SERVICE = noteOf('policies see the address of the pod, not that of a service');
const NOT_SERVICE_PORT = "policies see the port of the pod (the service's targetPort), not that of the service";

/** What can be said of a list of a match is looked for once, not for each connection. */
export function prepareNoter(field: FieldName, match: Match): Noter | undefined {
  switch (field) {
    case 'namespaces':
      return withoutIdentity(NO_NAMESPACE, NO_NAMESPACE);
    case 'notNamespaces':
      return withoutIdentity(NO_IDENTITY, NO_NAMESPACE);
    case 'serviceAccounts':
      return withoutIdentity(undefined, NO_ACCOUNT);
    case 'notServiceAccounts':
      return withoutIdentity(NO_IDENTITY, undefined);
    case 'principals': {
      const mistake = preparePrincipalNoter(match.principals ?? [], 'matches');
      return ({ subject: { principal } }, holds) =>
        holds ? undefined : principal === undefined ? NO_PRINCIPAL : mistake(principal);
    }
    case 'notPrincipals': {
      const mistake = preparePrincipalNoter(match.notPrincipals ?? [], 'excludes');
      return ({ subject: { principal } }, holds) =>
        holds ? (principal === undefined ? NO_IDENTITY : mistake(principal)) : undefined;
    }
    case 'sourceIps':
      return withRanges(match.sourceIps, ({ subject }) => subject.sourceIp, BEHIND_PROXY);
    case 'notSourceIps':
      return withRanges(match.notSourceIps, ({ subject }) => subject.sourceIp);
    case 'destinationIps':
      return withRanges(match.destinationIps, ({ subject }) => subject.destinationIp, NOT_SERVICE);
    case 'notDestinationIps':
      return withRanges(match.notDestinationIps, ({ subject }) => subject.destinationIp);
    case 'destinationPorts':
      return ({ texts }, holds) =>
        holds ? undefined : noteOf(`${NOT_SERVICE_PORT}: perhaps the rule has to name ${texts.destinationPort}`);
    case 'notDestinationPorts':
      return undefined;
  }
}

function noteOf(text: string): FieldNote {
  return { text, misspelt: false };
}

function withoutIdentity(holding: FieldNote | undefined, failed: FieldNote | undefined): Noter {
  return ({ subject }, holds) => (subject.identity !== undefined ? undefined : holds ? holding : failed);
}

/** `usual` is what to say of a positive list without mistakes. */
function withRanges(ranges: Match['sourceIps'] = [], pick: (facts: Facts) => IpAddress, usual?: FieldNote): Noter {
  const mistake = prepareRangeNoter(ranges);
  const whenHolding = usual === undefined;
  return (facts, holds) => (holds === whenHolding ? (mistake(pick(facts)) ?? usual) : undefined);
}
