import { readSubject, type Subject } from '../matching/subject.ts';
import type { Connection } from '../policy.ts';

/** A connection ready to be compared, and as it is shown. */
export interface Facts {
  readonly subject: Subject;
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
  return {
    subject,
    texts: {
      namespace: identity?.namespace ?? NO_IDENTITY,
      principal: principal ?? NO_IDENTITY,
      account: identity === undefined ? NO_IDENTITY : `${identity.namespace}/${identity.serviceAccount}`,
      sourceIp: connection.sourceIp,
      destinationIp: connection.destinationIp,
      destinationPort: String(connection.destinationPort),
    },
  };
}
