-- The schema that the migrations of postgres make.
-- To be read; no migration runs it. Written by: sqlpair snapshot

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET search_path = '';
SET check_function_bodies = false;
SET xmloption = content;

CREATE FUNCTION public.update_user_strategies_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at := pg_catalog.clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TABLE public.user_credentials (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    broker character varying(50) NOT NULL,
    environment character varying(20) NOT NULL,
    api_key_encrypted text NOT NULL,
    api_secret_encrypted text NOT NULL,
    encryption_iv text NOT NULL,
    encryption_salt text NOT NULL,
    created_at timestamp with time zone DEFAULT now(),
    last_used timestamp with time zone,
    is_active boolean DEFAULT true
);

CREATE TABLE public.user_strategies (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    strategy_name character varying(100) NOT NULL,
    instrument character varying(100) NOT NULL,
    broker character varying(50) NOT NULL,
    environment character varying(20) NOT NULL,
    config jsonb DEFAULT '{}'::jsonb NOT NULL,
    status character varying(50) DEFAULT 'stopped'::character varying NOT NULL,
    last_action character varying(50),
    auto_reconnect boolean DEFAULT true,
    connected_at timestamp with time zone,
    disconnected_at timestamp with time zone,
    last_heartbeat timestamp with time zone,
    error_message text,
    error_count integer DEFAULT 0,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    CONSTRAINT check_environment CHECK (((environment)::text = ANY ((ARRAY['live'::character varying, 'testnet'::character varying])::text[]))),
    CONSTRAINT check_status CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'stopped'::character varying, 'paused'::character varying, 'error'::character varying])::text[])))
);

CREATE TABLE public.users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email character varying(255) NOT NULL,
    password_hash character varying(255) NOT NULL,
    full_name character varying(255),
    created_at timestamp with time zone DEFAULT now(),
    last_login timestamp with time zone,
    is_active boolean DEFAULT true
);

ALTER TABLE ONLY public.user_credentials
    ADD CONSTRAINT unique_user_broker_env UNIQUE (user_id, broker, environment);

ALTER TABLE ONLY public.user_strategies
    ADD CONSTRAINT unique_user_strategy UNIQUE (user_id, strategy_name, instrument, environment);

ALTER TABLE ONLY public.user_credentials
    ADD CONSTRAINT user_credentials_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.user_strategies
    ADD CONSTRAINT user_strategies_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX idx_user_credentials_active ON public.user_credentials USING btree (is_active);
CREATE INDEX idx_user_credentials_broker ON public.user_credentials USING btree (broker);
CREATE INDEX idx_user_credentials_user ON public.user_credentials USING btree (user_id);
CREATE INDEX idx_user_strategies_auto_reconnect ON public.user_strategies USING btree (auto_reconnect);
CREATE INDEX idx_user_strategies_broker ON public.user_strategies USING btree (broker);
CREATE INDEX idx_user_strategies_created_at ON public.user_strategies USING btree (created_at);
CREATE INDEX idx_user_strategies_environment ON public.user_strategies USING btree (environment);
CREATE INDEX idx_user_strategies_status ON public.user_strategies USING btree (status);
CREATE INDEX idx_user_strategies_updated ON public.user_strategies USING btree (updated_at DESC);
CREATE INDEX idx_user_strategies_user ON public.user_strategies USING btree (user_id);
CREATE INDEX idx_user_strategies_user_status ON public.user_strategies USING btree (user_id, status);
CREATE INDEX idx_users_active ON public.users USING btree (is_active);
CREATE INDEX idx_users_email ON public.users USING btree (email);

CREATE TRIGGER trigger_update_user_strategies_updated_at BEFORE UPDATE ON public.user_strategies FOR EACH ROW EXECUTE FUNCTION public.update_user_strategies_updated_at();

ALTER TABLE ONLY public.user_credentials
    ADD CONSTRAINT user_credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_strategies
    ADD CONSTRAINT user_strategies_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
