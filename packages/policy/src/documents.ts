// Entry point `@ambientmesh/policy/documents`: apart from the main one, for it needs the package yaml.
export { parseYamlDocuments, type SyntaxFault, type YamlDocument } from './cli/yaml-document.ts';
