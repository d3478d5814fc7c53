/*
 * abi.c - everything of lb_plugin.h that crosses the border, in one small object whose debug information is compared.
 *
 * Owns     nothing; it is never loaded.
 * Used by  script/abi, tests/rules/test_abi.py.
 *
 * A struct is in the comparison when something here has its type, and an enum likewise. tests/rules/test_abi.py looks
 * for structs and enums of the header that are missing here.
 */
#include "lb_plugin.h"

/* The version, so that the stored dump knows which one it is of. */
enum lb_abi_version { LB_ABI_VERSION = LB_ABI };
enum lb_abi_version lb_abi_version(void);
enum lb_abi_version lb_abi_version(void)
{
    return LB_ABI_VERSION;
}

/* Macros that stand in compiled plugins are values of the border, too. */
enum lb_abi_values {
    LB_ABI_CAP_KEYED = LB_CAP_KEYED,
    LB_ABI_CAP_NEEDS_HASH = LB_CAP_NEEDS_HASH,
    LB_ABI_CAP_NEEDS_PROBE = LB_CAP_NEEDS_PROBE,
    LB_ABI_CAP_WEIGHTS = LB_CAP_WEIGHTS,
    LB_ABI_CAP_LOAD = LB_CAP_LOAD,
    LB_ABI_KEY_INTEGER = LB_KEY_INTEGER,
    LB_ABI_NONE_BITS = LB_NONE >> 1,
};

#define EXPORT_STRUCT(name_)                     \
    void lb_abi_##name_(const struct name_ *it); \
    void lb_abi_##name_(const struct name_ *it)  \
    {                                            \
        (void)it;                                \
    }

#define EXPORT_ENUM(name_)              \
    void lb_abi_##name_(enum name_ it); \
    void lb_abi_##name_(enum name_ it)  \
    {                                   \
        (void)it;                       \
    }

EXPORT_ENUM(lb_abi_values)
EXPORT_ENUM(lb_kind)
EXPORT_ENUM(lb_type)
EXPORT_ENUM(lb_outcome)
EXPORT_STRUCT(lb_option)
EXPORT_STRUCT(lb_error)
EXPORT_STRUCT(lb_plugin)
EXPORT_STRUCT(lb_key)
EXPORT_STRUCT(lb_member)
EXPORT_STRUCT(lb_hash_ops)
EXPORT_STRUCT(lb_probe_try)
EXPORT_STRUCT(lb_probe_ops)
EXPORT_STRUCT(lb_hash)
EXPORT_STRUCT(lb_probe)
EXPORT_STRUCT(lb_alloc)
EXPORT_STRUCT(lb_build)
EXPORT_STRUCT(lb_live)
EXPORT_STRUCT(lb_pick)
EXPORT_STRUCT(lb_reply)
EXPORT_STRUCT(lb_inspect)
EXPORT_STRUCT(lb_explain)
EXPORT_STRUCT(lb_scheduler_ops)

void lb_abi_lb_value(const union lb_value *it);
void lb_abi_lb_value(const union lb_value *it)
{
    (void)it;
}

LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return 0;
}
