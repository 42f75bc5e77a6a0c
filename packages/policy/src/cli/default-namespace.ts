/** An object with `namespace` if it has none, as `kubectl apply -n` makes it; anything else as it is. */
export function withNamespace(value: unknown, namespace: string | undefined): unknown {
  if (namespace === undefined || typeof value !== 'object' || value === null || !('metadata' in value)) return value;
  const { metadata } = value;
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return value;
  const has = 'namespace' in metadata && metadata.namespace !== undefined && metadata.namespace !== null;
  return has ? value : { ...value, metadata: { ...metadata, namespace } };
}
