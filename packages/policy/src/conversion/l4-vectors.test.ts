import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { renderMessage } from '../message/render-message.ts';
import { convertAuthorizationPolicy } from './convert-authorization-policy.ts';
import { convertPeerAuthentication } from './convert-peer-authentication.ts';
import { convertPolicies } from './convert-policies.ts';
import { selectsWorkloads } from './peer-authentication-scope.ts';
import { DEFAULT_ROOT_NAMESPACE, type PolicyObject } from './policy-object.ts';
import { readPolicyObject } from './read-policy-object.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/conversion/l4');
const INPUT = '-in.yaml';

const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith(INPUT))
  .map((file) => file.slice(0, -INPUT.length));

const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');

const readObjects = (name: string): readonly PolicyObject[] =>
  parseAllDocuments(read(`${name}${INPUT}`)).map((document) => readPolicyObject(document.toJS()));

const inRoot = ({ metadata }: PolicyObject): boolean => metadata.namespace === DEFAULT_ROOT_NAMESPACE;

/** What the vectors' own description says: the one that selects is converted, the others are what it stands in. */
function convert(objects: readonly PolicyObject[]) {
  const peers = objects.filter((object) => object.kind === 'PeerAuthentication');
  const [first] = objects;
  if (first?.kind === 'AuthorizationPolicy') return convertAuthorizationPolicy(first).policy;
  const wide = peers.filter((object) => !selectsWorkloads(object));
  const converted = peers.length === 1 ? peers[0] : peers.find(selectsWorkloads);
  const around = peers.length === 1 ? [] : wide;
  const scopes = { mesh: around.find(inRoot), namespace: around.find((object) => !inRoot(object)) };
  return converted && convertPeerAuthentication(converted, scopes);
}

test('there are vectors', () => {
  expect(names.length).toBeGreaterThan(10);
});

test.each(names)('%s', (name) => {
  const objects = readObjects(name);
  const policy = convert(objects);
  const expected: unknown = parse(read(`${name}.yaml`));
  expect(policy === undefined ? null : renderMessage(policy)).toEqual(expected);
  // All objects together give the same, beside the policy that stands on every PeerAuthentication.
  const { policies } = convertPolicies(objects, { withoutNamespace: true });
  const made = policies.filter((each) => each.name !== 'istio_converted_static_strict');
  expect(made).toEqual(policy === undefined ? [] : [policy]);
});
