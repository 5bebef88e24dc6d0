"""Settings, from the environment or `.env`. Our own are named `PANTHEON_*`; docs/settings.md documents each."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from pantheon.config.environment import Environment, database_settings, files_storage, host_of, mail_settings
from pantheon.config.logs import FORMATS, TEXT, logging_config
from pantheon.config.private_files import data_dir_prepare, files_narrow
from pantheon.config.secret_key import load_or_make_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

env = Environment()
environ.Env.read_env(env.path("PANTHEON_ENV_FILE", default=str(BASE_DIR / ".env"))())

PANTHEON_DATA_DIR = Path(env.str("PANTHEON_DATA_DIR", default=str(BASE_DIR / "var")))
data_dir_prepare(PANTHEON_DATA_DIR, ours=PANTHEON_DATA_DIR == BASE_DIR / "var")

# --- Django -----------------------------------------------------------------------------------------------------------

SECRET_KEY = env.str("PANTHEON_SECRET_KEY", default="") or load_or_make_secret_key(
    PANTHEON_DATA_DIR / "secret_key"
)
SECRET_KEY_FALLBACKS = env.list("PANTHEON_SECRET_KEY_FALLBACKS", default=[])
DEBUG = env.switch("PANTHEON_DEBUG", default=False)

PANTHEON_URL = env.str("PANTHEON_URL", default="").rstrip("/")
IS_HTTPS = PANTHEON_URL.startswith("https://")
ALLOWED_HOSTS = env.list("PANTHEON_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if (bound := env.str("HOST", default="")) and bound not in ("0.0.0.0", "::"):  # noqa: S104  (wildcard addresses are not host names)
    ALLOWED_HOSTS.append(host_of(f"//[{bound}]" if ":" in bound else f"//{bound}"))
if PANTHEON_URL:
    ALLOWED_HOSTS.append(host_of(PANTHEON_URL))
    CSRF_TRUSTED_ORIGINS = [PANTHEON_URL]

INSTALLED_APPS = [
    "pantheon.admin.PantheonAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "corsheaders",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "orchestration",
    "billing",
    "sessions",
    "pantheon",
]

MIDDLEWARE = [
    "pantheon.http.request_id.request_id_middleware",
    "pantheon.http.metrics.metrics_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pantheon.http.user_limit.user_limit_middleware",
]

# Web applications on other origins may use the API with a token: their browsers ask for permission first.
CORS_ALLOWED_ORIGINS = env.list("PANTHEON_CORS_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/(api/)?v1/"
CORS_ALLOW_HEADERS = (
    *("accept", "authorization", "content-type", "idempotency-key", "last-event-id", "user-agent"),
    # Those of the openai package in a browser.
    *(
        f"x-stainless-{name}"
        for name in (
            "arch",
            "lang",
            "os",
            "package-version",
            "retry-count",
            "runtime",
            "runtime-version",
            "timeout",
        )
    ),
)
CORS_EXPOSE_HEADERS = ("Location", "Retry-After", "X-Request-ID", "Idempotent-Replayed")
if CORS_ALLOWED_ORIGINS:
    MIDDLEWARE.insert(2, "corsheaders.middleware.CorsMiddleware")

ROOT_URLCONF = "pantheon.urls"
ASGI_APPLICATION = "pantheon.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["web.markup"],
        },
    },
]


def database() -> dict[str, Any]:
    """Return the database of DATABASE_URL; by default a SQLite file, with WAL and IMMEDIATE transactions."""
    url = env.str("DATABASE_URL", default="") or f"sqlite:///{PANTHEON_DATA_DIR / 'pantheon.sqlite3'}"
    config = database_settings(url)
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"] == "django.db.backends.sqlite3":
        options.update(
            transaction_mode="IMMEDIATE",
            timeout=20,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000; "
            "PRAGMA secure_delete=ON;",
        )
        config["TEST"] = {"NAME": str(Path(config["NAME"]).with_suffix(".test.sqlite3"))}
    elif config["ENGINE"] == "django.db.backends.postgresql":
        options.setdefault("connect_timeout", 10)
        # Detect a vanished server within seconds; TCP's default takes about 15 minutes.
        silence = {
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }
        for name, value in silence.items():
            options.setdefault(name, value)
        # Prepare statements at first use: planning them each time took half of the server's time per turn.
        options.setdefault("server_side_binding", True)
        options.setdefault("prepare_threshold", 1)
        # The threads of sessions.live.database keep their connections and check them.
        config["CONN_MAX_AGE"] = None
    return config


DATABASES = {"default": database()}
SQLITE_FILE = DATABASES["default"]["NAME"] if "sqlite3" in DATABASES["default"]["ENGINE"] else None
files_narrow(PANTHEON_DATA_DIR, SQLITE_FILE)
PANTHEON_DB_POOL_SIZE = env.int("PANTHEON_DB_POOL_SIZE", default=10)
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "web.cache.SharedCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "pantheon",
        }
    }
else:
    CACHES = {"default": {"BACKEND": "web.cache.MemoryCache"}}

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "accounts.hashers.PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 24 * 3600
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

EMAIL_URL = env.str("EMAIL_URL", default="")
if EMAIL_URL:
    globals().update(mail_settings(EMAIL_URL))
EMAIL_TIMEOUT = 10
PANTHEON_MAIL_FROM = env.str("PANTHEON_MAIL_FROM", default="")
DEFAULT_FROM_EMAIL = PANTHEON_MAIL_FROM or f"pantheon@{host_of(PANTHEON_URL) or 'localhost'}"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "pantheon.formats"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = PANTHEON_DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
PANTHEON_FILES_DIR = Path(env.str("PANTHEON_FILES_DIR", default="") or PANTHEON_DATA_DIR / "files")
PANTHEON_FILES_URL = env.str("PANTHEON_FILES_URL", default="")
PANTHEON_FILE_MAX_MIB = env.int("PANTHEON_FILE_MAX_MIB", default=20)
PANTHEON_FILES_PER_USER_MIB = env.int("PANTHEON_FILES_PER_USER_MIB", default=1024)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "files": files_storage(PANTHEON_FILES_URL, PANTHEON_FILES_DIR),
    "staticfiles": {"BACKEND": "pantheon.http.static_storage.HashedStaticFilesStorage"},
}

WHITENOISE_MIMETYPES = {".webmanifest": "application/manifest+json"}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- Safety -----------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "pantheon_session"
CSRF_COOKIE_NAME = "pantheon_csrf"
CSRF_FAILURE_VIEW = "pantheon.http.error_pages.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Number of our proxies that append to X-Forwarded-For. With https there is at least one, which terminates TLS.
PANTHEON_PROXIES = env.int("PANTHEON_PROXIES", default=1 if IS_HTTPS else 0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS and PANTHEON_PROXIES else None
SECURE_SSL_REDIRECT = env.switch("PANTHEON_HTTPS_REDIRECT", default=IS_HTTPS)
SECURE_SSL_HOST = urlsplit(PANTHEON_URL).netloc if IS_HTTPS else None
SECURE_REDIRECT_EXEMPT = [r"^api/v1/(health|ready)$"]  # health checks reach the process directly, over http
SECURE_HSTS_SECONDS = env.int("PANTHEON_HSTS_S", default=30 * 24 * 3600 if IS_HTTPS else 0)
# HSTS for subdomains and preload lists would bind other hosts of the domain, so we set neither.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if not IS_HTTPS:
    # HSTS, redirects and secure cookies follow from PANTHEON_URL: pantheon.W002 alone reports them.
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W012", "security.W016"]
SECURE_REFERRER_POLICY = "same-origin"

# --- API --------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.BearerAuthentication",
        "accounts.api.authentication.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.SignedInWithScope"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttling.RequestThrottle"],
    "DEFAULT_PAGINATION_CLASS": "web.api.pagination.NewestFirst",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["web.api.parsing.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "web.api.schema.OperationSchema",
    "EXCEPTION_HANDLER": "web.error_rendering.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DATETIME_FORMAT": "iso-8601",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Pantheon",
    "VERSION": VERSION,
    "DESCRIPTION": "A council of LLM agents, every call metered. Ids are UUIDs, times RFC 3339 in UTC, money a "
    "string of USD. Lists are newest first, with an opaque cursor.",
    "OAS_VERSION": "3.1.1",
    "SERVERS": [{"url": "/"}],
    "PREPROCESSING_HOOKS": ["web.api.schema.keep_api_paths"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "web.api.schema.finish",
    ],
    "ENUM_NAME_OVERRIDES": {
        "FileKindEnum": ["image", "text"],
        "MessageRoleEnum": ["user", "agent", "manager"],
        "RoomModeEnum": "sessions.models.modes.room_modes",
        "TurnModeEnum": "sessions.models.modes.turn_modes",
        "AskedModeEnum": "sessions.models.modes.asked_modes",
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
}

PANTHEON_TURNS_PER_MINUTE = env.int("PANTHEON_TURNS_PER_MINUTE", default=10)
PANTHEON_TURNS_PER_HOUR = env.int("PANTHEON_TURNS_PER_HOUR", default=600)
PANTHEON_TOKEN_TURNS_PER_MINUTE = env.int("PANTHEON_TOKEN_TURNS_PER_MINUTE", default=60)
PANTHEON_TOKEN_TURNS_PER_HOUR = env.int("PANTHEON_TOKEN_TURNS_PER_HOUR", default=2000)
PANTHEON_REQUESTS_PER_MINUTE = env.int("PANTHEON_REQUESTS_PER_MINUTE", default=600)
PANTHEON_UPLOADS_PER_MINUTE = env.int("PANTHEON_UPLOADS_PER_MINUTE", default=60)
PANTHEON_REQUESTS_AT_ONCE_PER_USER = env.int("PANTHEON_REQUESTS_AT_ONCE_PER_USER", default=3)
PANTHEON_STREAMS_PER_USER = env.int("PANTHEON_STREAMS_PER_USER", default=60)
PANTHEON_SLOW_REQUEST_S = env.float("PANTHEON_SLOW_REQUEST_S", default=20.0)
PANTHEON_WAIT_S = env.float("PANTHEON_WAIT_S", default=55.0)

# --- People -----------------------------------------------------------------------------------------------------------

PANTHEON_SIGNUP = env.str("PANTHEON_SIGNUP", default="invite")
PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL = env.int("PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL", default=10)
PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS = env.int("PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS", default=100)
PANTHEON_SIGN_IN_WINDOW_S = env.float("PANTHEON_SIGN_IN_WINDOW_S", default=900.0)
PANTHEON_STAFF_READ_MESSAGES = env.switch("PANTHEON_STAFF_READ_MESSAGES", default=False)

# --- Models -----------------------------------------------------------------------------------------------------------

PANTHEON_DEFAULT_MODEL = env.str("PANTHEON_DEFAULT_MODEL", default="")
PANTHEON_MANAGER_MODEL = env.str("PANTHEON_MANAGER_MODEL", default="")
PANTHEON_SUMMARIZER_MODEL = env.str("PANTHEON_SUMMARIZER_MODEL", default="")
PANTHEON_MANAGER_MAX_TOKENS = env.int("PANTHEON_MANAGER_MAX_TOKENS", default=4096)
PANTHEON_SUMMARIZER_MAX_TOKENS = env.int("PANTHEON_SUMMARIZER_MAX_TOKENS", default=4096)
PANTHEON_PROVIDER_CONNECT_TIMEOUT_S = env.float("PANTHEON_PROVIDER_CONNECT_TIMEOUT_S", default=10.0)
PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S = env.float("PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S", default=120.0)
PANTHEON_PROVIDER_BETWEEN_TOKENS_TIMEOUT_S = env.float(
    "PANTHEON_PROVIDER_BETWEEN_TOKENS_TIMEOUT_S", default=60.0
)
PANTHEON_PROVIDER_TOTAL_TIMEOUT_S = env.float("PANTHEON_PROVIDER_TOTAL_TIMEOUT_S", default=600.0)
PANTHEON_PROVIDER_RETRIES = env.int("PANTHEON_PROVIDER_RETRIES", default=2)
PANTHEON_PROVIDER_RETRY_BASE_S = env.float("PANTHEON_PROVIDER_RETRY_BASE_S", default=0.5)
PANTHEON_PROVIDER_RETRY_MAX_WAIT_S = env.float("PANTHEON_PROVIDER_RETRY_MAX_WAIT_S", default=30.0)
PANTHEON_DEMO_WORDS_PER_S = env.float("PANTHEON_DEMO_WORDS_PER_S", default=25.0)

# --- Turns ------------------------------------------------------------------------------------------------------------

PANTHEON_MAX_ROUNDS = env.int("PANTHEON_MAX_ROUNDS", default=3)
PANTHEON_MAX_SELECTIONS = env.int("PANTHEON_MAX_SELECTIONS", default=3)
PANTHEON_MAX_SPECIALIST_CALLS = env.int("PANTHEON_MAX_SPECIALIST_CALLS", default=12)
PANTHEON_ALWAYS_SYNTHESIZE = env.switch("PANTHEON_ALWAYS_SYNTHESIZE", default=False)
PANTHEON_SUMMARY_TRIGGER = env.float("PANTHEON_SUMMARY_TRIGGER", default=0.7)
PANTHEON_SUMMARY_EVERY_TURNS = env.int("PANTHEON_SUMMARY_EVERY_TURNS", default=40)
PANTHEON_TITLES = env.switch("PANTHEON_TITLES", default=True)
PANTHEON_VERBATIM_TURNS = env.int("PANTHEON_VERBATIM_TURNS", default=4)
PANTHEON_JOURNAL = env.str("PANTHEON_JOURNAL", default="database")
PANTHEON_LEASE_S = env.float("PANTHEON_LEASE_S", default=15.0)
PANTHEON_PURGE_AFTER_DAYS = env.int("PANTHEON_PURGE_AFTER_DAYS", default=7)
PANTHEON_RECOVER_EVERY_S = env.float("PANTHEON_RECOVER_EVERY_S", default=5.0)
PANTHEON_WORKERS = env.int("PANTHEON_WORKERS", default=1)
PANTHEON_WORKER_TURNS = env.int("PANTHEON_WORKER_TURNS", default=1000)
PANTHEON_TURNS_AT_ONCE_PER_USER = env.int(
    "PANTHEON_TURNS_AT_ONCE_PER_USER", default=max(20, PANTHEON_WORKER_TURNS // 10)
)

# --- Logging ----------------------------------------------------------------------------------------------------------

LOGGING = logging_config(
    log_format=env.choice("PANTHEON_LOG_FORMAT", default=TEXT, choices=FORMATS),
    level=env.log_level("PANTHEON_LOG_LEVEL", default="INFO"),
)
PANTHEON_METRICS_PORT = env.int("PANTHEON_METRICS_PORT", default=0)
PANTHEON_METRICS_TOKEN = env.str("PANTHEON_METRICS_TOKEN", default="")
