#!/bin/sh
# made by sallyport test for target edge: edits are lost at the next run
# policy: policy.hcl, sha256 abababababababab
# feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
# counts: 1 rule, 1 set, 3 IPv4 and 1 IPv6 ranges
# routes: include of IPv4 and IPv6: the addresses of cloud go through the VPN, the rest past it
# on every protocol and port: routes cannot tell ports apart

# For a Client VPN endpoint with a split tunnel: the addresses below enter it, besides
# those of the VPC. Routes and authorization rules of this script's are those with the
# description sallyport-edge; it makes what is missing, and takes away what is not listed.
# Load:   sh edge.sh        with the AWS CLI, and AWS_REGION and AWS_PROFILE as you need
#         them. Clients take the routes when they next connect.
# Remove: sh edge.sh remove
set -eu
endpoint='cvpn-endpoint-0123456789abcdef0'
subnets='subnet-0aaaaaaaaaaaaaaaa'
group='all' # that may use the routes; all; or none, where rules of yours say it
mine='sallyport-edge'
most=100 # routes of a subnet
routes='
20.202.0.0/16
52.112.0.0/14
52.122.0.0/15
2603:1063::/38
'

export LC_ALL=C AWS_PAGER='' AWS_RETRY_MODE="${AWS_RETRY_MODE:-standard}" AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-10}"
tab=$(printf '\t')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ec2() {
	aws ec2 "$@" --client-vpn-endpoint-id "$endpoint" --output text </dev/null
}

# wanted FILE WORD...: each route with each word, a line each
wanted() {
	file=$1
	shift
	for word; do
		printf '%s' "$routes" | sed -n "/./s|\$|$tab$word|p"
	done | sort >"$file"
}

# compare NAME: from all in place and all wanted, what is new and what of ours is gone
compare() {
	cut -f 1,2 "$work/$1.all" | sort >"$work/$1.have"
	awk -F '\t' '$3 == "True" { print $1 "\t" $2 }' "$work/$1.all" | sort >"$work/$1.mine"
	comm -13 "$work/$1.have" "$work/$1.wanted" >"$work/$1.new"
	comm -23 "$work/$1.mine" "$work/$1.wanted" >"$work/$1.gone"
}

make_routes() {
	while IFS=$tab read -r cidr subnet; do
		ec2 create-client-vpn-route --destination-cidr-block "$cidr" --target-vpc-subnet-id "$subnet" --description "$mine" >/dev/null
	done <"$work/routes.new"
}

withdraw_routes() {
	while IFS=$tab read -r cidr subnet; do
		ec2 delete-client-vpn-route --destination-cidr-block "$cidr" --target-vpc-subnet-id "$subnet" >/dev/null
	done <"$work/routes.gone"
}

case ${1-} in
'')
	split=$(aws ec2 describe-client-vpn-endpoints --client-vpn-endpoint-ids "$endpoint" --query 'ClientVpnEndpoints[0].SplitTunnel' --output text </dev/null)
	if [ "$split" != True ]; then
		echo "$endpoint takes everything, whatever its routes: aws ec2 modify-client-vpn-endpoint --client-vpn-endpoint-id $endpoint --split-tunnel" >&2
		exit 1
	fi
	;;
remove)
	routes=''
	;;
*)
	echo "usage: $0 [remove]" >&2
	exit 2
	;;
esac

ec2 describe-client-vpn-routes --query "Routes[?Status.Code!='deleting'].[DestinationCidr,TargetSubnet,Description=='$mine']" >"$work/routes.all"
ec2 describe-client-vpn-authorization-rules \
	--query "AuthorizationRules[?Status.Code!='revoking'].[DestinationCidr,AccessAll && 'all' || GroupId,Description=='$mine']" >"$work/rules.all"
# shellcheck disable=SC2086 # a subnet is a word
wanted "$work/routes.wanted" $subnets
if [ "$group" = none ]; then
	: >"$work/rules.wanted"
else
	wanted "$work/rules.wanted" "$group"
fi
compare routes
compare rules

while IFS=$tab read -r cidr who; do
	if [ "$who" = all ]; then
		ec2 authorize-client-vpn-ingress --target-network-cidr "$cidr" --authorize-all-groups --description "$mine" >/dev/null
	else
		ec2 authorize-client-vpn-ingress --target-network-cidr "$cidr" --access-group-id "$who" --description "$mine" >/dev/null
	fi
done <"$work/rules.new"

# What replaces a route comes first, where there is room for both.
# shellcheck disable=SC2086
set -- $subnets
if [ $(($(wc -l <"$work/routes.have") + $(wc -l <"$work/routes.new"))) -gt $((most * $#)) ]; then
	withdraw_routes
	make_routes
else
	make_routes
	withdraw_routes
fi

while IFS=$tab read -r cidr who; do
	if [ "$who" = all ]; then
		ec2 revoke-client-vpn-ingress --target-network-cidr "$cidr" --revoke-all-groups >/dev/null
	else
		ec2 revoke-client-vpn-ingress --target-network-cidr "$cidr" --access-group-id "$who" >/dev/null
	fi
done <"$work/rules.gone"

failed=$(ec2 describe-client-vpn-routes --query "Routes[?Status.Code=='failed' && Description=='$mine'].[DestinationCidr,TargetSubnet,Status.Message]")
if [ -n "$failed" ]; then
	printf 'these routes failed: delete them, and run this again\n%s\n' "$failed" >&2
	exit 1
fi
echo "routes: $(wc -l <"$work/routes.new" | tr -d ' ') new, $(wc -l <"$work/routes.gone" | tr -d ' ') withdrawn; rules: $(wc -l <"$work/rules.new" | tr -d ' ') new, $(wc -l <"$work/rules.gone" | tr -d ' ') withdrawn"
