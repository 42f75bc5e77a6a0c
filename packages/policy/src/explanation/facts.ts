import { readSubject, type Subject } from '../matching/subject.ts';
import type { Connection } from '../policy.ts';
import type { Aspect } from './condition.ts';

/** A connection ready to be compared, and as it is shown. */
export interface Facts {
  /** As it was given; but what JSON says of no identity, null, is undefined. */
  readonly connection: Connection;
  readonly subject: Subject;
  /** Of each aspect, all that a condition on it can see: equal texts are equal to every condition. */
  readonly keys: { readonly [aspect in Aspect]: string };
  readonly texts: {
    readonly namespace: string;
    readonly principal: string;
    /** `namespace/account` */
    readonly account: string;
    readonly sourceIp: string;
    readonly destinationIp: string;
    readonly destinationPort: string;
  };
}

/** What is shown of a client without a certificate. */
export const NO_IDENTITY = 'none';

/** Reads a connection once for all policies. Throws POLICY_CONNECTION_INVALID as `readSubject`. */
export function readFacts(connection: Connection): Facts {
  const subject = readSubject(connection);
  const { identity, principal } = subject;
  const { sourceIp, destinationIp } = connection;
  const destinationPort = String(connection.destinationPort);
  return {
    connection: { ...connection, identity },
    subject,
    keys: { identity: principal ?? NO_IDENTITY, sourceIp, destinationIp, destinationPort },
    texts: {
      namespace: identity?.namespace ?? NO_IDENTITY,
      principal: principal ?? NO_IDENTITY,
      account: identity === undefined ? NO_IDENTITY : `${identity.namespace}/${identity.serviceAccount}`,
      sourceIp,
      destinationIp,
      destinationPort,
    },
  };
}

/** Whether conditions on these aspects cannot tell two connections apart. */
export function areAlike(a: Facts, b: Facts, aspects: readonly Aspect[]): boolean {
  for (const aspect of aspects) if (a.keys[aspect] !== b.keys[aspect]) return false;
  return true;
}
