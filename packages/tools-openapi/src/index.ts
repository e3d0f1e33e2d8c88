export { openApiTools, type OpenApiToolsOptions } from "./open-api-tools.ts";
export { OpenApiError, type OpenApiErrorInit } from "./open-api-error.ts";
export type { SecurityScheme } from "./document.ts";
export type { DocumentSource } from "./load-document.ts";
export type { OperationSelector } from "./operations.ts";
export type { OperationSettings } from "./operation-tool.ts";
export type { BasicCredential, OpenApiCredential } from "./security.ts";
