// A FHIR server behind SMART Backend Services: oidc-provider gives tokens, a proxy lets in who has one.
//
// node server.mjs '{"fhir": "http://127.0.0.1:8080/fhir", "client": "imnm", "jwks": {...}, "lifetime": 2}'
// prints READY and the address of its FHIR base, then one JSON line per request for a token; it ends
// when its standard input ends.
import http from "node:http";
import { Provider } from "oidc-provider";

const { fhir, client, jwks, lifetime } = JSON.parse(process.argv[2]);
const SCOPES = "system/*.cruds system/*.read system/*.write";
let provider;

const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://127.0.0.1");
  if (pathname.startsWith("/oidc/")) {
    request.url = request.url.slice("/oidc".length);
    request.originalUrl = `/oidc${request.url}`;
    return provider.callback()(request, response);
  }
  if (pathname === "/fhir/.well-known/smart-configuration") return tell(response, 200, configuration());
  if (!pathname.startsWith("/fhir")) return tell(response, 404, {});
  if (pathname !== "/fhir/metadata" && !(await knows(request))) {
    const issue = [{ severity: "error", code: "login", diagnostics: "no token, or it has expired" }];
    return tell(response, 401, { resourceType: "OperationOutcome", issue });
  }
  forward(request, response);
});

function configuration() {
  return {
    token_endpoint: `${origin()}/oidc/token`,
    token_endpoint_auth_methods_supported: ["private_key_jwt"],
    token_endpoint_auth_signing_alg_values_supported: ["RS384", "ES384"],
    grant_types_supported: ["client_credentials"],
    scopes_supported: SCOPES.split(" "),
    capabilities: ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
  };
}

async function knows(request) {
  const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
  const found = token ? await provider.ClientCredentials.find(token) : undefined;
  return Boolean(found?.isValid && found.scope);
}

function forward(request, response) {
  const { authorization, host, ...headers } = request.headers;
  const target = new URL(fhir + request.url.slice("/fhir".length));
  const asked = http.request(target, { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => tell(response, 502, {}));
  request.pipe(asked);
}

function tell(response, status, content) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(content));
}

function origin() {
  return `http://127.0.0.1:${server.address().port}`;
}

server.listen(0, "127.0.0.1", () => {
  provider = new Provider(`${origin()}/oidc`, {
    clients: [
      {
        client_id: client,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: "private_key_jwt",
        scope: SCOPES,
        jwks,
      },
    ],
    enabledJWA: { clientAuthSigningAlgValues: ["RS384", "ES384"] },
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    scopes: SCOPES.split(" "),
    ttl: { ClientCredentials: () => lifetime },
  });
  provider.on("grant.success", (ctx) => said(ctx, "given"));
  provider.on("grant.error", (ctx, error) => said(ctx, error.error_detail ?? error.message));
  console.log(`READY ${origin()}/fhir`);
});

function said(ctx, result) {
  const assertion = ctx.oidc.body?.client_assertion ?? ".";
  const header = JSON.parse(Buffer.from(assertion.split(".")[0], "base64url").toString() || "{}");
  console.log(JSON.stringify({ result, algorithm: header.alg }));
}

process.stdin.resume().on("end", () => process.exit(0));
