import {
  type CollectionTag,
  type DocumentOptions,
  type ParseOptions,
  Scalar,
  type ScalarTag,
  type SchemaOptions,
} from 'yaml';

/**
 * Tags of the local configuration of a node proxy (`!Exact web`, spec policy.md §6) become what is in its dumps:
 * `{"Exact": "web"}`.
 */
const LOCAL_TAGS: (ScalarTag | CollectionTag)[] = [
  ...['Exact', 'Prefix', 'Suffix'].map(
    (name): ScalarTag => ({ tag: `!${name}`, resolve: (text) => ({ [name]: text }) }),
  ),
  { tag: '!Presence', resolve: () => ({ Presence: [] }) },
  { tag: '!Presence', collection: 'seq', resolve: () => new Scalar({ Presence: [] }) },
];

/** How the library reads YAML for this package: version 1.2. */
export const YAML_FORM: ParseOptions & DocumentOptions & SchemaOptions = {
  customTags: LOCAL_TAGS,
  merge: true,
  prettyErrors: false,
  // The library compares each key of a map with each other one; see `inspectDocument`.
  uniqueKeys: false,
};
