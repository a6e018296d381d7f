/** Names of AWS's errors about credentials, and what SDKs say where there are none. None of them is worth a retry. */
export const NO_CREDENTIALS = /CredentialsProviderError|Could not load credentials|NoCredentials/;
export const EXPIRED = /ExpiredToken|ExpiredTokenException|RequestExpired|Token.*expired|SSO.*(expired|invalid)/i;
export const INVALID_KEY =
  /AuthFailure|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidSignature|InvalidAccessKeyId/;
export const DENIED = /AccessDenied|UnauthorizedOperation|NotAuthorized/;
