import { readFileSync } from 'node:fs';
import * as policy from '@ambientmesh/policy';
import * as documents from '@ambientmesh/policy/documents';
import { expect, test } from 'vitest';

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** Public names: who takes one away breaks users. */
const NAMES = [
  'PolicyError',
  'PolicySet',
  'allowWaypointPolicy',
  'checkPolicy',
  'compile',
  'convertAuthorizationPolicy',
  'convertPeerAuthentication',
  'convertPolicies',
  'effectiveScope',
  'findLocalProblems',
  'findMessageProblems',
  'findObjectProblems',
  'findProblems',
  'guessForm',
  'isPolicyObject',
  'parseAccessLog',
  'policyKey',
  'readLocalPolicy',
  'readMessage',
  'readPolicy',
  'readPolicyObject',
  'readSuite',
  'renderExplanation',
  'renderMessage',
  'renderSuiteJunit',
  'renderSuiteTap',
  'renderSuiteText',
  'renderWhatIf',
  'runSuite',
  'staticStrictPolicy',
  'whatIf',
];

test('the public names, by the name of the package', () => {
  expect(Object.keys(policy).toSorted()).toEqual(NAMES);
  expect(Object.keys(documents)).toEqual(['parseYamlDocuments']);
});

test.each([...NAMES, 'parseYamlDocuments'])('the README tells what %s is for', (name) => {
  expect(README).toContain(name);
});
