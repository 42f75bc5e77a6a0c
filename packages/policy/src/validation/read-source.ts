import type { HttpAttributes, PolicySource } from '../policy-source.ts';
import { complete, type DataPlace } from './data-place.ts';
import { listChoices } from './describe-value.ts';

const KINDS = ['AuthorizationPolicy', 'PeerAuthentication', 'Waypoint'] as const;

/** What a policy was made of; undefined if that is wrong. */
export function readSource(place: DataPlace): PolicySource | undefined {
  const fields = place.fields(['kind', 'object', 'rules', 'omitted', 'ignored']);
  return complete<PolicySource>({
    kind: fields.required('kind', listChoices(KINDS), (field) => field.choice(KINDS)),
    object: fields.required('object', 'namespace/name', (field) => field.text()),
    rules: fields.required('rules', 'a list', (field) => field.list(readIndex)),
    omitted: fields.required('omitted', 'a list', (field) => field.list(readAttributes)),
    ignored: fields.required('ignored', 'a list', (field) => field.list(readAttributes)),
  });
}

function readAttributes(place: DataPlace): HttpAttributes | undefined {
  const fields = place.fields(['rule', 'attributes']);
  return complete<HttpAttributes>({
    rule: fields.required('rule', 'an index', readIndex),
    attributes: fields.required('attributes', 'a list', (field) => field.list((item) => item.text())),
  });
}

function readIndex(place: DataPlace): number | undefined {
  return place.integer(Number.MAX_SAFE_INTEGER);
}
