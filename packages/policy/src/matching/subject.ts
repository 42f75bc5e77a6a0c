import { PolicyError } from '../errors.ts';
import type { Connection, SourceIdentity } from '../policy.ts';
import { describeValue } from '../validation/describe-value.ts';
import { type IpAddress, parseIpAddress, unmapIpAddress } from './ip-address.ts';
import { MAX_PORT } from './port.ts';
import { TextParts } from './text-parts.ts';

/** A connection as the conditions of policies compare it (spec policy.md §4.3). */
export interface Subject {
  /** Absent for plain text. */
  readonly identity: SourceIdentity | undefined;
  /** Of the identity; empty without one, so that patterns which match the empty text match. */
  readonly namespace: string;
  /** `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, without `spiffe://`. Without an identity none, which no pattern matches. */
  readonly principal: string | undefined;
  /** Of `namespace` and `principal`. */
  readonly namespaceParts: TextParts;
  readonly principalParts: TextParts | undefined;
  readonly sourceIp: IpAddress;
  readonly destinationIp: IpAddress;
  readonly destinationPort: number;
}

const IDENTITY_PARTS = ['trustDomain', 'namespace', 'serviceAccount'] as const;

/**
 * Reads a connection once, for all conditions that it is compared with. v4-mapped addresses become IPv4; a zone
 * (`fe80::1%eth0`, as sockets tell link-local peers) is ignored, for no range has one. Throws POLICY_CONNECTION_INVALID
 * for what is no connection, or has an address, a port or an identity that is none.
 */
export function readSubject(connection: Connection): Subject {
  // Callers may have read it from JSON.
  if (typeof connection !== 'object' || connection === null)
    throw new PolicyError('POLICY_CONNECTION_INVALID', `connection ${describeValue(connection)}: want an object`);
  const { destinationPort } = connection;
  const identity = readIdentity(connection.identity);
  if (!Number.isInteger(destinationPort) || destinationPort < 0 || destinationPort > MAX_PORT)
    throw new PolicyError(
      'POLICY_CONNECTION_INVALID',
      `destination port ${destinationPort}: want a whole number from 0 to ${MAX_PORT}`,
    );
  const namespace = identity?.namespace ?? '';
  const principal = identity && `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`;
  return {
    identity,
    namespace,
    principal,
    namespaceParts: new TextParts(namespace),
    principalParts: principal === undefined ? undefined : new TextParts(principal),
    sourceIp: readIp('source', connection.sourceIp),
    destinationIp: readIp('destination', connection.destinationIp),
    destinationPort,
  };
}

/**
 * Data from JSON may have null for plain text. An identity that lacks a part, or has a slash in one, would be compared as
 * another one. Parts may be empty: certificates may have such ones (spec hbone.md §1.2).
 */
function readIdentity(identity: SourceIdentity | null | undefined): SourceIdentity | undefined {
  if (identity === undefined || identity === null) return undefined;
  for (const part of IDENTITY_PARTS) {
    const text = identity[part];
    if (typeof text !== 'string')
      throw new PolicyError('POLICY_CONNECTION_INVALID', `identity without ${part}: want text`);
    if (text.includes('/'))
      throw new PolicyError(
        'POLICY_CONNECTION_INVALID',
        `identity with ${part} ${describeValue(text)}: want text without a slash`,
      );
  }
  return identity;
}

/** Whether somebody can have this identity: certificates have no part with a slash. */
export function isPossibleIdentity(identity: SourceIdentity): boolean {
  return IDENTITY_PARTS.every((part) => !identity[part].includes('/'));
}

function readIp(side: 'source' | 'destination', text: string): IpAddress {
  const ip = typeof text === 'string' ? (parseIpAddress(text) ?? parseIpAddress(text.replace(/%.*/, ''))) : undefined;
  if (ip === undefined)
    throw new PolicyError('POLICY_CONNECTION_INVALID', `${side} address ${describeValue(text)}: want IPv4 or IPv6`);
  return unmapIpAddress(ip);
}
